"""Fill polygons, paint backgrounds and give images their style."""
