"""What others published, read as Instances: one file a format, one line in `SOURCES` each."""
