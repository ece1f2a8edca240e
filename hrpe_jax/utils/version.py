"""The version of the package, for records and released models."""

__version__ = "0.1.0"
