"""MIDI: guarded reading of any file, damaged ones too, and writing of lead sheets."""
