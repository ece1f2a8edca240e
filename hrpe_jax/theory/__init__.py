"""Music theory: pitches, chords, keys, harmonic function and meter. Standard library and numpy only."""
