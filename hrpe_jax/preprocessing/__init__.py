"""A folder of any files to a data set: workers, journal, versions of one song, splits, leakage, shards."""
