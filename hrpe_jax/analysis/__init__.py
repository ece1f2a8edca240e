"""What a file does not contain: beats, bars, chords, keys, the melody track; and quantisation."""
