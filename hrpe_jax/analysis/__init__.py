"""What a file of notes does not say: chords, key, and the tick grid."""
