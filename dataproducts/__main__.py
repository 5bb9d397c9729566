"""`python -m dataproducts`, the same as the `dataproducts` command."""

from dataproducts.cli import main

if __name__ == "__main__":
    main()
