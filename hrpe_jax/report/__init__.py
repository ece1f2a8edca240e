"""Evaluation of pieces against pieces: reading them, drawing what metrics found, and the report."""
