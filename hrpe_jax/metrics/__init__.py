"""Music metrics on Scores and reference models to compare with."""
