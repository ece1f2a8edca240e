"""Bytes to notes and back, one folder for each format. What the notes mean as music is for `readers`."""
