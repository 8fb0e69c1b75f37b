"""Network parts that several methods share: backbones, heads, codecs and losses."""
