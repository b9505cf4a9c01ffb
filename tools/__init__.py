"""Programs around models: train, measure, convert, install. The server imports none of them."""
