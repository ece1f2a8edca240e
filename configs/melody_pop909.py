"""The melody stage on POP909: Transformer-XL with look-ahead to the next chord; half an hour on two cores.

    python -m hrpe_jax.train --config=configs/melody_pop909.py --workdir=runs/melody_pop909 \
        --config.data.input=PATH_TO_POP909 --config.data.splits=PATH_TO_SPLIT_JSON
"""

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """Streams of whole songs, one segment a step; the whole song is searched for what came before."""
    config = create()
    config.seed = 0
    config.data = create(corpus="pop909")
    config.stages = create(
        melody=create(
            model=create(
                width=160,
                layers=4,
                heads=5,
                head_width=32,
                mlp_width=384,
                dropout=0.2,
                memory=256,
                repeats=2048,
            ),
            batch=create(rows=8, length=256),
            steps=1800,
            eval_every=150,
            checkpoint_every=150,
            optimizer=create(learning_rate=3e-3, warmup_steps=100, ema_decay=0.995),
        ),
    )
    return config
