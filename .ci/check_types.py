"""Check types as `mypy` does, without collecting garbage.

Without a cache this takes a sixth less CPU time, and 1.4 GB of memory instead of 0.6.
"""

import gc

from mypy.__main__ import console_entry

if __name__ == "__main__":
    gc.disable()
    gc.enable = lambda: None  # mypy disables the collector in some parts only
    console_entry()
