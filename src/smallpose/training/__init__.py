"""Train a method with a recipe on a built set, and save a checkpoint and its scores."""

from smallpose.system.packages import require_packages

require_packages("smallpose.training", "torch", "safetensors", "cv2", "PIL", "scipy")
