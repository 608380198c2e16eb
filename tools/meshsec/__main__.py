"""`python -m meshsec`."""

import sys

from meshsec.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
