"""Bach chorales, both stages small: a few minutes on two cores, ends with four pieces.

python -m hrpe_jax.train --config=configs/quickstart.py --workdir=runs/quickstart
"""

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """The newcomer's run."""
    config = create()
    config.seed = 0
    config.data = create(corpus="chorales")
    config.stages = create(
        backbone=create(
            model=create(width=96, layers=3, heads=4, head_width=24, mlp_width=256, dropout=0.2, repeats=512),
            batch=create(rows=8, length=256),
            steps=140,
            eval_every=35,
            checkpoint_every=70,
            optimizer=create(learning_rate=3e-3, warmup_steps=20),
        ),
        melody=create(
            model=create(
                width=96,
                layers=3,
                heads=4,
                head_width=24,
                mlp_width=256,
                memory=128,
                dropout=0.2,
                repeats=512,
            ),
            batch=create(rows=8, length=128, segments=2),
            steps=200,
            eval_every=50,
            checkpoint_every=100,
            optimizer=create(learning_rate=3e-3, warmup_steps=30),
        ),
    )
    config.sample = create(num_pieces=4, bars=16)
    return config
