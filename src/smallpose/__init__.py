"""SmallPose."""
