"""Find near-duplicate images, and leaks between train and test."""

from smallpose.system.packages import require_packages

require_packages("smallpose.dataset.duplicates", "cv2")
