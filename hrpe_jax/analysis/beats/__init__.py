"""Beats and bar lines of plain MIDI: by the grid of the file where notes agree with it, else tracked."""
