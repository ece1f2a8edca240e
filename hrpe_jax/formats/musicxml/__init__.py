"""MusicXML and .mxl: reading with repeats played out, and writing of lead sheets."""
