"""Draw poses, contact sheets and predictions."""

from smallpose.system.packages import require_packages

require_packages("smallpose.report.images", "cv2", "PIL")
