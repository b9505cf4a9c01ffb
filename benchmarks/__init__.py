"""How fast SCAI is, measured on this machine; see benchmarks/README.md."""
