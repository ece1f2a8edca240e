"""A band for a lead sheet: comping, bass and drums from patterns that are text files."""
