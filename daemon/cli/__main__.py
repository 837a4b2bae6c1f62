"""`python -m daemon.cli`, the same as `quantd`."""

import sys

from daemon.cli import main

sys.exit(main())
