"""`python -m smallpose` is `smallpose`."""

import sys

from smallpose.cli.main import main

sys.exit(main())
