"""`python -m meshsec.gateway --config FILE` runs the gateway of a mesh."""

import sys

from meshsec.gateway.main import main

if __name__ == "__main__":
    sys.exit(main())
