"""The models of the package: five styles, both stages with a plan; at most three hours on two cores.

    python -m hrpe_jax.train --config=configs/reference.py --workdir=runs/reference --config.data.path=DATA

`docs/guides/styles.md` says how the data set is prepared.
"""

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """Pieces that begin at sections and end with the melody, styles balanced, pointers hidden at times."""
    config = create()
    config.seed = 0
    config.data = create(crops="only", balance="pop=4,folk=2,standards=2,hymns=1,chorales=1")
    config.stages = create(
        backbone=create(
            model=create(
                width=128,
                layers=4,
                heads=4,
                head_width=32,
                mlp_width=384,
                dropout=0.3,
                residual_rank=0,
                repeats=512,
                phrases=(2, 4, 8, 16, 32),
                plan=True,
                plan_dropout=0.1,
                pointer_dropout=0.1,
            ),
            batch=create(rows=8, length=256),
            steps=1500,
            patience=4,
            eval_every=100,
            checkpoint_every=100,
            optimizer=create(learning_rate=3e-3, warmup_steps=60, weight_decay=0.1, ema_decay=0.995),
        ),
        melody=create(
            model=create(
                width=160,
                layers=4,
                heads=5,
                head_width=32,
                mlp_width=384,
                dropout=0.2,
                memory=256,
                repeats=1024,
                plan=True,
                plan_dropout=0.1,
                pointer_dropout=0.2,
                bar_lags=(1, 2, 4, 8),
                chord_tones=True,
            ),
            batch=create(rows=8, length=256),
            steps=2400,
            eval_every=200,
            checkpoint_every=200,
            optimizer=create(learning_rate=3e-3, warmup_steps=100, ema_decay=0.995),
        ),
    )
    return config
