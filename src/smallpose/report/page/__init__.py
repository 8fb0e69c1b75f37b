"""Build the report page from its parts."""

from smallpose.system.packages import require_packages

require_packages("smallpose.report.page", "jinja2", "matplotlib", "cv2", "PIL")
