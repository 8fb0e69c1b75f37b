"""How small may a person get? The same people at falling pixel heights, for any model.

Each chosen person is seen at every height: their image is reduced by a stated sensor model
(`sensor.py`), labels with it (`reduced_labels.py`), and models run on these images at native size
(`models.py`, `command.py`). What remains of AP, OKS, share found and PCK is measured over the same
people, with intervals over images (`scores.py`), and so is the height at which half of the AP is
left (`half_height.py`).
"""

from smallpose.system.packages import require_packages

require_packages("smallpose.resolution", "cv2", "PIL")
