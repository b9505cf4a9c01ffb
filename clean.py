"""Remove old sessions once and exit: `python clean.py --keeptimeperiod 2d`."""

if __name__ == "__main__":
    from scai.cli.clean import main

    main()
