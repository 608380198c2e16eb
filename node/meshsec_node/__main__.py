"""`python -m meshsec_node --config FILE`."""

import sys

from meshsec_node.main import main

if __name__ == "__main__":
    sys.exit(main())
