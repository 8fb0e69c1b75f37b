"""The words that records of our files have, by the index under which tables hold them.

Without NumPy, because labels are read while it is being imported.
"""

# How a box was made; stored with every annotation, because size classes depend on it.
BOX_RULES = ("", "mask", "drawn", "extent130", "extent_head130")
# Index 0 is an unknown source, as in any COCO file. `own14` is a custom source whose people were
# labelled with 14 joints, which is K of Eq. 3.
CUSTOM_SOURCE_JOINTS = tuple(range(1, 65))
CUSTOM_SOURCES = tuple(f"own{k}" for k in CUSTOM_SOURCE_JOINTS)
SOURCES = ("", "coco", "mpii", "aic", "hieve", "posetrack", *CUSTOM_SOURCES)
