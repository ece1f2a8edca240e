"""Shared by all: the command-line wrapper, atomic files, schemas, and the setup of JAX."""
