"""The melody stage at 350 million parameters, bfloat16, segments of 2,048 events: eight chips, or one H100.

    python -m hrpe_jax.train --config=configs/melody_large.py --workdir=DIR --config.data.path=SHARDS

On one GPU add --config.stages.melody.mesh.data=1 --config.stages.melody.mesh.model=1. What the step needs of
a chip is printed by tools/bench/tpu_compile.py --config=configs/melody_large.py --topology=v5e:2x4.
"""

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """Heads of 80 content and 31 harmonic features, which with the 12 that tell songs apart on a GPU fit into
    the 128 lanes that a kernel works on anyway. All heads together and the MLP are a multiple of 128 wide,
    divided over two chips as well."""
    config = create()
    config.seed = 0
    config.stages = create(
        melody=create(
            model=create(
                width=1280,
                layers=18,
                heads=16,
                head_width=80,
                mlp_width=3328,
                memory=1024,
                dropout=0.0,
                dtype="bfloat16",
                remat="full",
                scan_layers=True,
                harmony=create(codes="chord"),
            ),
            batch=create(rows=16, length=2048),
            steps=50_000,
            log_every=50,
            eval_every=1000,
            eval_batches=32,
            checkpoint_every=1000,
            optimizer=create(learning_rate=4e-4, warmup_steps=1000, weight_decay=0.1, b2=0.95),
            mesh=create(data=4, model=2, fsdp=True),
        ),
    )
    return config
