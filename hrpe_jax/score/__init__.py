"""The `Score`, a lead sheet as a value, with its bars, notation and voicing."""
