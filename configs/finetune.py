"""Your own music, starting from the model of the package instead of from nothing; minutes on two cores.

    python -m hrpe_jax.preprocess --input=MY_MUSIC --output=data/mine
    python -m hrpe_jax.train --config=configs/finetune.py --workdir=runs/mine

For another data set, set --config.data.path; to start from another model, --config.init_from=runs/OTHER. What
the models are is that of what they start from; only dropout is said here. Before and after:

    python -m hrpe_jax.evaluate --model=pretrained --data=data/mine
    python -m hrpe_jax.evaluate --model=runs/mine --data=data/mine
"""

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """A third of the usual learning rate, few steps, and the best validation is kept."""
    config = create()
    config.seed = 0
    config.init_from = "pretrained"
    config.data = create(path="data/mine")
    config.stages = create(
        backbone=create(
            model=create(dropout=0.3),
            batch=create(rows=8, length=256),
            steps=100,
            eval_every=20,
            checkpoint_every=20,
            optimizer=create(learning_rate=1e-3, warmup_steps=10, weight_decay=0.1),
        ),
        melody=create(
            model=create(dropout=0.15),
            batch=create(rows=8, length=256),
            steps=150,
            eval_every=30,
            checkpoint_every=30,
            optimizer=create(learning_rate=1e-3, warmup_steps=15),
        ),
    )
    config.sample = create(num_pieces=4, bars=16)
    return config
