"""chords"""
