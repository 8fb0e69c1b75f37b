"""Extract the feature maps that methods compute for small people."""
