"""Version and content hash of the vocabularies, stored with everything that holds token ids.

The hash covers what ids mean (every table, the quality names and their notes), so that shards, checkpoints
and weights made under other meanings are told apart even where nobody thought of raising the version.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.codec.grammar import NEXT_STATE
from hrpe_jax.theory.chord import CHORD_TONES, QUALITIES
from hrpe_jax.theory.meter import TICKS_PER_QUARTER

VERSION = 1
STAGES = ("backbone", "melody")
SIZES = {"backbone": backbone_tokens.SIZE, "melody": melody_tokens.SIZE}


@functools.cache
def vocabulary_hash(stage: str) -> str:
    """16 hexadecimal digits that change when the meaning of a stage's records does.

    Args:
        stage: "backbone" or "melody". The melody's includes the backbone's, since its records hold chord ids.

    Raises:
        ValueError: on another stage.
    """
    if stage not in STAGES:
        raise ValueError(f"stage {stage!r}: expected one of {', '.join(STAGES)}")
    digest = hashlib.sha256(f"{stage} {VERSION} {TICKS_PER_QUARTER}\n".encode())
    if stage == "melody":
        digest.update(vocabulary_hash("backbone").encode())
        tables = [melody_tokens.CLASS_OF, melody_tokens.DURATION, melody_tokens.POSITION, NEXT_STATE]
    else:
        t = backbone_tokens
        digest.update("\n".join(f"{quality} {CHORD_TONES[quality]}" for quality in QUALITIES).encode())
        tables = [
            t.KIND,
            t.ROOT,
            t.QUALITY,
            t.INVERSION,
            t.BEATS,
            t.QUALITY_CODE,
            t.VALID,
            t.function_table(),
        ]
    for table in tables:
        digest.update(np.ascontiguousarray(table, "<i4").tobytes())
    return digest.hexdigest()[:16]


def vocabulary_hashes() -> dict[str, str]:
    """The hash of every stage."""
    return {stage: vocabulary_hash(stage) for stage in STAGES}
