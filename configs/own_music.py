"""Your own music: both stages on a data set that `preprocess` has made; some minutes on two cores.

    python -m hrpe_jax.preprocess --input=MY_MUSIC --output=data/mine
    python -m hrpe_jax.train --config=configs/own_music.py --workdir=runs/mine

For another data set, set --config.data.path. More songs deserve more steps and width; the checkpoint with the
best validation is what sampling reads.
"""

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """Small models, whole songs in view."""
    config = create()
    config.seed = 0
    config.data = create(path="data/mine")
    config.stages = create(
        backbone=create(
            model=create(
                width=128, layers=3, heads=4, head_width=32, mlp_width=384, dropout=0.3, repeats=512
            ),
            batch=create(rows=8, length=256),
            steps=200,
            eval_every=50,
            checkpoint_every=50,
            optimizer=create(learning_rate=3e-3, warmup_steps=30, weight_decay=0.1),
        ),
        melody=create(
            model=create(
                width=128,
                layers=3,
                heads=4,
                head_width=32,
                mlp_width=384,
                memory=256,
                dropout=0.15,
                repeats=2048,
            ),
            batch=create(rows=8, length=256),
            steps=300,
            eval_every=75,
            checkpoint_every=75,
            optimizer=create(learning_rate=3e-3, warmup_steps=40),
        ),
    )
    config.sample = create(num_pieces=4, bars=16)
    return config
