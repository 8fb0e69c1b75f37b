"""Codecs: encode keypoints as training targets, decode outputs to keypoints."""
