"""The model that comes with the package: `config.json`, weights of both stages in bfloat16, and its card.

`tools/release_model.py` puts it here from the workdir of a training; `sampling.model` reads it where no other
model is named.
"""
