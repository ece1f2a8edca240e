"""From a model on disk to pieces on disk: what `hrpe_jax.sample` does, and a training at its end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrpe_jax.sampling.pipeline import Piece


def compose_files(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    formats: str | None = None,
    audio: str | None = None,
    programs: str | None = None,
    explain: bool = True,
    **wishes: Any,
) -> dict[str, Any]:
    """Composes pieces, writes them into a folder, and prints a line for each.

    The wishes are read and the folder is looked at first, so that mistakes are told at once.

    Args:
        model: workdir of a training, or a released model.
        output: folder; made if it is not there.
        formats: see `sampling.outputs.read_outputs`; so are audio, programs and explain.
        audio: likewise.
        programs: likewise.
        explain: likewise.
        **wishes: see `sampling.controls.read_controls`.

    Returns:
        JSON values: the numbers of `report`, the seed, and the files.

    Raises:
        UserError: a wish, the model or the folder is not as it should be.
    """
    from hrpe_jax.files import check_output
    from hrpe_jax.sampling.controls import read_controls
    from hrpe_jax.sampling.output import write_pieces
    from hrpe_jax.sampling.outputs import read_outputs

    controls = read_controls(**wishes)
    wanted = read_outputs(formats, audio, programs, explain)
    check_output(output)

    from hrpe_jax.compilation_cache import enable_compilation_cache
    from hrpe_jax.sampling.explain import explain_pieces
    from hrpe_jax.sampling.model import load_model
    from hrpe_jax.sampling.pipeline import compose

    enable_compilation_cache()
    loaded = load_model(model)
    pieces = compose(loaded, controls)
    files = write_pieces(pieces, output, wanted, explain_pieces(loaded, pieces, wanted))
    return {**report(pieces), "seed": controls.seed, "files": [str(file) for file in files]}


def report(pieces: Sequence[Piece]) -> dict[str, Any]:
    """Prints each piece on a line, with how much of its melody is chord tones; returns numbers over all."""
    from hrpe_jax.metrics.arrays import Undefined
    from hrpe_jax.metrics.harmony import chord_tone_chance, chord_tone_ratio
    from hrpe_jax.sampling.output import describe

    ratios = []
    for piece in pieces:
        try:
            ratio, chance = chord_tone_ratio(piece.score), chord_tone_chance(piece.score)
            ratios.append(ratio)
            tones = f"chord tones {ratio:.2f} (by chance {chance:.2f})"
        except Undefined:
            tones = "no melody over chords"
        print(f"{describe(piece)}  {tones}")
    return {
        "pieces": len(pieces),
        "bars": sum(len(piece.score.bar_starts()) for piece in pieces),
        "notes": sum(len(piece.score.melody) for piece in pieces),
        "chord_tone_ratio": round(sum(ratios) / len(ratios), 4) if ratios else None,
    }
