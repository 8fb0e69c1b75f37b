"""The best AP that rounding, codecs and the precision of labels leave."""
