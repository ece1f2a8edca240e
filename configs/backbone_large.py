"""The chord stage at 350 million parameters, bfloat16, 2,048 events: eight TPU chips, or one H100.

    python -m hrpe_jax.train --config=configs/backbone_large.py --workdir=DIR --config.data.path=SHARDS

On one GPU add --config.stages.backbone.mesh.data=1 --config.stages.backbone.mesh.model=1. What the step needs
of a chip is printed by tools/bench/tpu_compile.py --config=configs/backbone_large.py --topology=v5e:2x4.
"""

from ml_collections.config_dict import ConfigDict, create


def get_config() -> ConfigDict:
    """Heads of 64 content and at most 52 harmonic features, which with the 12 that tell songs apart on a GPU
    fill the 128 lanes that a kernel works on anyway."""
    config = create()
    config.seed = 0
    config.stages = create(
        backbone=create(
            model=create(
                width=1024,
                layers=24,
                heads=16,
                head_width=64,
                mlp_width=3328,
                residual_rank=128,
                dropout=0.0,
                dtype="bfloat16",
                remat="full",
                scan_layers=True,
                harmony=create(
                    head_sets=(((0, 0), (0, 1)), ((0, 1), (1, 2)), ((1, 2), (2, 3)), ((2, 3), (3, 4)))
                ),
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
