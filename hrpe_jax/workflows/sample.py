"""From a model on disk to pieces on disk: what `hrpe_jax.sample` does, and a training at its end.

While a stage trains, pieces go to ``WORKDIR/pieces/STAGE/step-N``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrpe_jax.errors import Unusable, UserError, WrongUse
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import check_output, lock_folder, unwritable

if TYPE_CHECKING:
    from hrpe_jax.composer import Composer
    from hrpe_jax.sampling.compose import Piece
    from hrpe_jax.sampling.controls import Controls
    from hrpe_jax.sampling.options import ComposeOptions, OutputOptions, Outputs
    from hrpe_jax.score.score import Score


from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import jax
import numpy as np

from hrpe_jax.checkpoints.format import checkpoint_folder, load_stage, whole_steps
from hrpe_jax.checkpoints.release import Model, StageModel
from hrpe_jax.composer import Composer
from hrpe_jax.config import Config, StageConfig
from hrpe_jax.sampling.options import ComposeOptions
from hrpe_jax.sampling.write import write_pieces

FREE = "pieces"
"""Where pieces go if no folder is given; `pieces-2`, `pieces-3`, ... if it is there."""
LONG = 256
"""Bars from which on a piece is also written bar by bar, into `NAME.bars.jsonl`."""


def compose_files(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None,
    options: ComposeOptions,
    outputs: OutputOptions | None = None,
) -> dict[str, Any]:
    """Composes pieces, writes them into a folder, and prints a line for each.

    Options, folder and model are checked first, so that mistakes are reported before anything is written.

    Args:
        model: workdir of a training, a released model, or "pretrained" for the one of the package.
        output: folder; made if it is not there. None for `pieces`, or the first of `pieces-2`, `pieces-3`,
            ... that is not there.
        options: what to compose.
        outputs: what to write; None for everything by default.

    Returns:
        JSON values: the numbers of `report`, the seed, and the files.

    Raises:
        WrongUse: an option is not as it should be.
        UserError: the prime, the model or the folder is not, or the pieces cannot be written after all.
    """
    from hrpe_jax.checkpoints.verify import check_shapes
    from hrpe_jax.composer import Composer, read_prime
    from hrpe_jax.sampling.controls import read_controls
    from hrpe_jax.sampling.options import check_length, read_outputs
    from hrpe_jax.sampling.posterior.suggested_pieces import asks_for_suggestions, read_suggestion

    options = read_prime(options)
    with _wrong_use():
        wanted = read_outputs(outputs)
        controls = None
        if asks_for_suggestions(options):
            score, _ = read_suggestion(options)
            check_length(wanted, len(score.bar_starts()), score.meter, score.tempo_bpm)
        else:
            controls = read_controls(options)
            check_length(wanted, controls.bars, controls.meter, controls.tempo)
    check_output(os.curdir if output is None else output)
    with output_folder(output) as folder:
        composer = Composer.load(model)
        if controls is not None:
            _check_stages(composer, controls)
        with _wrong_use():
            for line in composer.notices(options):
                cli.say(f"note: {line}")
        try:
            return _compose_into(folder, composer, options, controls, wanted)
        except UserError:
            raise
        except Exception:
            for name, stage in composer.model.stages():  # the usual reason, and no error of JAX says it
                check_shapes(composer.model.path, name, stage.config, stage.params)
            raise


def _compose_into(
    folder: Path,
    composer: Composer,
    options: ComposeOptions,
    controls: Controls | None,
    wanted: Outputs,
) -> dict[str, Any]:
    """`compose_files`, into a folder that is locked; without controls: suggestions."""
    from hrpe_jax.sampling.compose import MAX_ROWS
    from hrpe_jax.sampling.explain import explain_pieces, prepare_explanations
    from hrpe_jax.sampling.programs import beside, watch
    from hrpe_jax.sampling.write import write_pieces

    wanted = replace(wanted, band=replace(wanted.band, style=options.style or ""))
    files: list[Path] = []
    with beside(lambda: prepare_explanations(composer.model, wanted)), watch(_say_once()):
        alone = controls is not None and controls.num_pieces == 1 and controls.form is None
        if controls is not None and alone and controls.stage != "backbone" and controls.bars >= LONG:
            piece, bars = write_bars(composer, options, controls.bars, folder)
            pieces = [piece]
            files.append(bars)
        elif controls is None or controls.num_pieces <= MAX_ROWS:
            pieces = list(composer.pieces(options))
        else:
            pieces = []
            with cli.progress("composing", "pieces") as progress:
                for piece in composer.pieces(options):
                    pieces.append(piece)
                    progress(len(pieces), controls.num_pieces)
    for line in band_notes([piece.score for piece in pieces], wanted):
        cli.say(f"note: {line}")
    files += write_pieces(pieces, folder, wanted, explain_pieces(composer.model, pieces, wanted))
    return {**report(pieces), "seed": options.seed, "files": [str(file) for file in files]}


def _say_once() -> Callable[[str], None]:
    """Says that something is compiled, the first time."""
    said: list[str] = []

    def tell(program: str) -> None:
        if not said:
            said.append(program)
            cli.say("compiling the model, which takes some seconds; it is kept for the next time")

    return tell


@contextmanager
def output_folder(output: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Makes a folder for pieces and holds it for this process; if nothing comes into it, it is removed again.

    Args:
        output: its name; None for `pieces`, or with the first number behind it that nobody has taken, so that
            nothing is written over, also where many processes look for a name at once.

    Raises:
        UserError: another process writes into it.
    """
    path = Path(FREE) if output is None else Path(output)
    made = False
    if output is None:
        for number in count(2):
            try:
                path.mkdir()
                made = True
                break
            except FileExistsError:
                path = Path(f"{FREE}-{number}")
            except OSError as error:
                raise unwritable(path, error) from None
    try:
        with lock_folder(path, "sample", "give another --output"):
            yield path
    finally:
        if made:
            with suppress(OSError):
                path.rmdir()  # only if it is empty


def write_bars(composer: Composer, options: ComposeOptions, total: int, folder: Path) -> tuple[Piece, Path]:
    """Writes a long piece bar by bar as it is composed: a line of JSON each, see `BarOfPiece.as_json`.

    Args:
        composer: with both stages.
        options: of one piece.
        total: its bars, with those of a prime that is continued.
        folder: made if it is not there.

    Returns:
        The piece, and the file.

    Raises:
        UserError: the folder cannot be written.
    """
    path = folder / "piece-01.bars.jsonl"
    bars = composer.bars(options)
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
                progress(bar.number, total)
    except OSError as error:
        raise unwritable(folder, error) from None


def band_notes(scores: Sequence[Score], wanted: Outputs) -> list[str]:
    """What to tell about a band that has no patterns for the meter of some piece."""
    from hrpe_jax.arranging.styles import style_for_meter

    style = wanted.band.band.style if wanted.band.band else None
    lines = [style_for_meter(style, score.meter)[1] for score in scores] if style else []
    return list(dict.fromkeys(line for line in lines if line))


@contextmanager
def _wrong_use() -> Iterator[None]:
    """Options that cannot be, found before any work: exit status 2."""
    try:
        yield
    except Unusable:
        raise
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


OTHER = {"backbone": "melody", "melody": "backbone"}


class PiecePreview:
    """Writes the pieces that ``config.sample`` asks for, by the model as it is now; see ``loop.Listener``.

    The other stage is its best checkpoint in the same workdir; while there is no melody yet, pieces are
    chords alone. Nothing that goes wrong here stops a training.

    Args:
      stage: which is trained.
      config: the run; ``config.sample.every`` is above 0.
      workdir: of the run.
    """

    def __init__(self, stage: str, config: Config, workdir: Path) -> None:
        assert config.sample is not None
        self.every = config.sample.every
        self._stage, self._workdir = stage, workdir
        self._config: StageConfig = getattr(config.stages, stage)
        self._options = options_of(config)
        self._other: StageModel | None = None
        self._silent = False

    def __call__(self, step: int, params: Any, say: Callable[[str], None]) -> None:
        """Writes the pieces of a step, and says where they are, or why there are none."""
        if self._silent:
            return
        try:
            own = StageModel(self._config, jax.tree.map(np.asarray, jax.device_get(params)), step, step)
            other = self._trained_other()
            backbone, melody = (own, other) if self._stage == "backbone" else (other, own)
            options = self._options if other else replace(self._options, stage="backbone")
            folder = self._workdir / "pieces" / self._stage / f"step-{step}"
            composer = Composer(Model(str(self._workdir), backbone, melody))
            # The mesh of a training belongs to its thread. In another one the sampler is what it always is, a
            # program for one device, and is compiled once for all pieces of a run.
            with ThreadPoolExecutor(max_workers=1) as thread:
                pieces = thread.submit(lambda: list(composer.pieces(options))).result()
            write_pieces(pieces, folder)
            say(f"{len(pieces)} pieces of step {step}: {folder}")
        except Exception as error:
            self._silent = isinstance(error, UserError)  # it will not be otherwise next time
            detail = (str(error).splitlines() or [""])[0][:160] or type(error).__name__
            say(f"no pieces at step {step} ({detail}); training goes on")

    def _trained_other(self) -> StageModel | None:
        """None where the backbone trains and there is no melody yet."""
        folder = checkpoint_folder(self._workdir, OTHER[self._stage])
        if self._stage == "backbone" and not whole_steps(folder):
            return None
        if self._other is None:
            trained = load_stage(self._workdir, OTHER[self._stage])
            params = jax.tree.map(np.asarray, jax.device_get(trained.params))
            self._other = StageModel(trained.config, params, trained.step, trained.step)
        return self._other


def options_of(config: Config) -> ComposeOptions:
    """The options of a config's pieces."""
    assert config.sample is not None
    return ComposeOptions(**{name: value for name, value in asdict(config.sample).items() if name != "every"})
