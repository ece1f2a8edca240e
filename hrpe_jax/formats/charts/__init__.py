"""Chords as text: Billboard charts, Harte labels, and the annotations of POP909."""
