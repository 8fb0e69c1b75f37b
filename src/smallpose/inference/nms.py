"""Drop people found twice: where two poses are nearly one, the surer stays."""

from smallpose.models.codecs.nms import oks_nms

__all__ = ["oks_nms"]
