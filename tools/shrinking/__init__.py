"""Makes trained networks smaller and faster: folding, halving and quantising them."""
