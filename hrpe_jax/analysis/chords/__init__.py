"""Chords from notes: a semi-Markov CRF over segments of bars, and templates with a Viterbi pass."""
