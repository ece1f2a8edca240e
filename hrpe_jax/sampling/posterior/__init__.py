"""Music for a part of a lead sheet, the rest being given: other bars, chords under a melody, variations."""
