"""The chord stage on POP909, whole songs in view; at most half an hour on two cores.

    python -m hrpe_jax.train --config=configs/backbone_pop909.py --workdir=runs/backbone_pop909 \
        --config.data.input=PATH_TO_POP909 --config.data.splits=PATH_TO_SPLIT_JSON
"""

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """Four lagged relations in every head, and what followed the longest earlier agreement."""
    config = create()
    config.seed = 0
    config.data = create(corpus="pop909")
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
            ),
            batch=create(rows=8, length=256),
            steps=700,
            patience=2,
            eval_every=100,
            checkpoint_every=100,
            optimizer=create(learning_rate=3e-3, warmup_steps=60, weight_decay=0.1, ema_decay=0.995),
        ),
    )
    return config
