"""Run the command line with ``python -m euclid_resolved``."""

import sys

from euclid_resolved.cli._main import main

sys.exit(main())
