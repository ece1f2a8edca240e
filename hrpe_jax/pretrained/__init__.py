"""The model that comes with the package: `config.json`, weights of both stages in bfloat16, and its card.

`tools/release/release_model.py` puts it here from the workdir of a training. It is read where no other is
named.
"""
