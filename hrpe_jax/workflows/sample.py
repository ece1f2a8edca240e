"""From a model on disk to pieces on disk: what `hrpe_jax.sample` does, and a training at its end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrpe_jax.errors import UserError, WrongUse

if TYPE_CHECKING:
    from hrpe_jax.checkpoints.release import Model
    from hrpe_jax.composer import Composer
    from hrpe_jax.sampling.controls import Controls
    from hrpe_jax.sampling.piece import Piece

LONG = 256
"""Bars from which on a piece is also written bar by bar, into `NAME.bars.jsonl`."""


def compose_files(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None,
    *,
    formats: str | None = None,
    audio: str | None = None,
    programs: str | None = None,
    explain: bool = True,
    **wishes: Any,
) -> dict[str, Any]:
    """Composes pieces, writes them into a folder, and prints a line for each.

    The wishes are read, the folder and the model are looked at first, so that mistakes are told at once, and
    before anything is written.

    Args:
        model: workdir of a training, a released model, or "bundled" for the one of the package.
        output: folder; made if it is not there. None for `pieces`, or the first of `pieces-2`, `pieces-3`,
            ... that is not there.
        formats: see `sampling.outputs.read_outputs`; so are audio, programs and explain.
        audio: likewise.
        programs: likewise.
        explain: likewise.
        **wishes: see `composer.Composer.compose`.

    Returns:
        JSON values: the numbers of `report`, the seed, and the files.

    Raises:
        WrongUse: a wish, the model or the folder is not as it should be.
        UserError: the pieces cannot be written after all.
    """
    from hrpe_jax.utils import cli
    from hrpe_jax.utils.files import check_output

    output = free_folder() if output is None else output
    with _wrong_use():
        from hrpe_jax.composer import Composer, controls_of
        from hrpe_jax.sampling.notices import notices
        from hrpe_jax.sampling.output_options import check_length, read_outputs

        controls = controls_of(**wishes)
        wanted = read_outputs(formats, audio, programs, explain)
        check_length(wanted, controls.bars, controls.meter, controls.tempo)
        check_output(output)
        composer = Composer.load(model)
        _check_stages(composer, controls)
        for line in notices(composer.model, controls):
            cli.say(f"note: {line}")
    from hrpe_jax.sampling import compose as pipeline
    from hrpe_jax.sampling.explain import explain_pieces
    from hrpe_jax.sampling.write import write_pieces

    files: list[Path] = []
    alone = controls.num_pieces == 1 and controls.form is None and controls.stage != "backbone"
    if controls.bars >= LONG and alone:
        piece, bars = write_bars(composer.model, controls, Path(output))
        pieces = [piece]
        files.append(bars)
    elif controls.num_pieces <= pipeline.MAX_ROWS:
        pieces = pipeline.compose(composer.model, controls)
    else:
        pieces = []
        with cli.progress("composing", "pieces") as progress:
            for piece in pipeline.pieces(composer.model, controls):
                pieces.append(piece)
                progress(len(pieces), controls.num_pieces)
    files += write_pieces(pieces, output, wanted, explain_pieces(composer.model, pieces, wanted))
    return {**report(pieces), "seed": controls.seed, "files": [str(file) for file in files]}


def free_folder(name: str = "pieces") -> Path:
    """The name, or with the first number behind it that is not taken, so that nothing is written over."""
    paths = chain([Path(name)], (Path(f"{name}-{number}") for number in count(2)))
    return next(path for path in paths if not path.exists())


def write_bars(model: Model, controls: Controls, folder: Path) -> tuple[Piece, Path]:
    """Writes a long piece bar by bar as it is composed: a line of JSON each, see `BarOfPiece.as_json`.

    Returns:
        The piece, and the file.

    Raises:
        UserError: the folder cannot be written.
    """
    from hrpe_jax.sampling.stream import stream
    from hrpe_jax.utils import cli
    from hrpe_jax.utils.files import unwritable

    path = folder / "piece-01.bars.jsonl"
    bars = stream(model, controls)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file, cli.progress("composing", "bars") as progress:
            while True:
                try:
                    bar = next(bars)
                except StopIteration as done:
                    return done.value, path
                file.write(json.dumps(bar.as_json()) + "\n")
                file.flush()
                progress(bar.number, controls.bars)
    except OSError as error:
        raise unwritable(folder, error) from None


@contextmanager
def _wrong_use() -> Iterator[None]:
    """What is wrong with what was asked for, before any work: exit status 2."""
    try:
        yield
    except UserError as error:
        raise WrongUse(str(error)) from None


def _check_stages(composer: Composer, controls: Controls) -> None:
    """Raises UserError where the model lacks a stage that these controls need."""
    if controls.stage != "backbone":
        composer.model.stage("melody")
    if not controls.chords_given or controls.continued is not None:
        composer.model.stage("backbone")


def report(pieces: Sequence[Piece]) -> dict[str, Any]:
    """Prints each piece on a line, with how much of its melody is chord tones; returns numbers over all."""
    from hrpe_jax.metrics.arrays import Undefined
    from hrpe_jax.metrics.harmony import chord_tone_chance, chord_tone_ratio
    from hrpe_jax.sampling.write import describe

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
