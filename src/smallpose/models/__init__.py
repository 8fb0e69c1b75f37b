"""Network parts that several methods share: backbones, heads, codecs and losses."""

from smallpose.system.packages import require_packages

require_packages("smallpose.models", "torch")
