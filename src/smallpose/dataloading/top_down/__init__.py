"""Cut one crop per person for top-down methods."""

from smallpose.system.packages import require_packages

require_packages("smallpose.dataloading.top_down", "torch")
