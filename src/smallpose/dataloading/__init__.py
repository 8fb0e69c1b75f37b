"""Turn images and annotations into batches of tensors."""

from smallpose.system.packages import require_packages

require_packages("smallpose.dataloading", "cv2", "PIL")
