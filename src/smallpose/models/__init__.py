"""Parts that several methods share: backbones, heads, codecs, losses."""
