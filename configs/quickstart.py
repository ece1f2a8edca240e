"""Bach chorales, both stages small: about two minutes on two cores, ends with four pieces.

Small batches and an average of the parameters: 280 steps of 256 and 512 tokens reach the validation NLL of
three to four times as many tokens in batches of 2,048.

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
            model=create(width=96, layers=3, heads=4, head_width=24, mlp_width=256, dropout=0.1, repeats=512),
            batch=create(rows=1, length=256),
            mesh=create(data=1),  # too little to divide among devices
            steps=280,
            eval_every=70,
            checkpoint_every=140,
            optimizer=create(learning_rate=4e-3, warmup_steps=20, ema_decay=0.98),
        ),
        melody=create(
            model=create(
                width=96,
                layers=3,
                heads=4,
                head_width=24,
                mlp_width=256,
                memory=128,
                dropout=0.1,
                repeats=512,
            ),
            batch=create(rows=2, length=128, segments=2),
            mesh=create(data=1),
            steps=280,
            eval_every=70,
            checkpoint_every=140,
            optimizer=create(learning_rate=3e-3, warmup_steps=30),
        ),
    )
    config.sample = create(num_pieces=4, bars=16)
    return config
