"""The command line: one verb per file; a verb reads, calls, writes."""
