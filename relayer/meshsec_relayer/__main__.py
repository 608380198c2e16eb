"""`python -m meshsec_relayer --config FILE`."""

import sys

from meshsec_relayer.main import main

sys.exit(main())
