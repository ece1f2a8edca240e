"""The seam between a stage and the trainer."""
