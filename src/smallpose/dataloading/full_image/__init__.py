"""Prepare full images and all their people for full-image methods."""

from smallpose.system.packages import require_packages

require_packages("smallpose.dataloading.full_image", "torch")
