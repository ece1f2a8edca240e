"""From a trained model and a user's wishes to pieces: chords first, then a melody over them.

Shapes are rounded up to a few sizes, so that another number of pieces, bars or another key seldom compiles
anew. Piece i of a seed draws the same numbers however many are asked for with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from flax.errors import FlaxError

from hrpe_jax.codec import backbone, backbone_tokens, melody_tokens
from hrpe_jax.codec.melody import Harmony
from hrpe_jax.codec.piece import decode_piece
from hrpe_jax.codec.tempo import tempo_bin
from hrpe_jax.errors import UserError
from hrpe_jax.sampling import melody as melody_loop
from hrpe_jax.sampling.backbone import FREE, sample_backbone
from hrpe_jax.sampling.controls import DEFAULT_SILENT_BARS, Controls, chord_tokens, read_controls
from hrpe_jax.sampling.logits import Settings
from hrpe_jax.sampling.melody import Plan, sample_melody
from hrpe_jax.sampling.model import Model, export_model, load_model
from hrpe_jax.sampling.output import describe, write_pieces
from hrpe_jax.score.score import Score
from hrpe_jax.theory.meter import MAX_BAR_TICKS

__all__ = [
    "Model",
    "Piece",
    "compose",
    "describe",
    "export_model",
    "load_model",
    "sample_pieces",
    "write_pieces",
]

MAX_ROWS = 16  # pieces side by side
_SMALLEST = 64


@dataclass(frozen=True)
class Piece:
    """A piece that both stages wrote.

    Attributes:
        score: its music.
        backbone_ids: its chords as tokens, BOS to EOS.
        event_ids: its melody as tokens, BOS to EOS.
        nats: by stage, the mean negative log likelihood of its events under the model itself; without
            "backbone" where the chords were given.
        settings: what was asked for, plain values.
    """

    score: Score
    backbone_ids: tuple[int, ...]
    event_ids: tuple[int, ...]
    nats: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def sample_pieces(model: Model, **wishes: Any) -> list[Piece]:
    """Composes pieces.

    Args:
        model: from `load_model`.
        **wishes: of `controls.read_controls`: `num_pieces, bars, key, meter, tempo, chords, seed,
            temperature, temperature_backbone, top_k, top_p, silent_bars`.

    Raises:
        UserError: a wish that cannot be read, or a stage that the model lacks.
    """
    return compose(model, read_controls(**wishes))


def compose(model: Model, controls: Controls) -> list[Piece]:
    """`sample_pieces` with wishes that were read before."""
    numbers = list(range(controls.num_pieces))
    pieces: list[Piece] = []
    try:
        for first in range(0, len(numbers), MAX_ROWS):
            pieces += _compose_rows(model, controls, numbers[first : first + MAX_ROWS])
    except FlaxError as error:
        detail = str(error).splitlines()[0][:160]
        raise UserError(f"{model.path}: its parameters do not fit its config ({detail})") from None
    return pieces


def _compose_rows(model: Model, controls: Controls, numbers: Sequence[int]) -> Iterator[Piece]:
    chords, chord_nats = _chords(model, controls, numbers)
    events, event_nats = _melodies(model, controls, numbers, chords)
    digits = max(2, len(str(controls.num_pieces)))
    for row, number in enumerate(numbers):
        name = f"piece-{number + 1:0{digits}}"
        key, _ = backbone.prefix_of(chords[row])
        yield Piece(
            score=decode_piece(
                chords[row],
                events[row],
                tempo_bpm=controls.tempo,
                id=name,
                title=f"Piece {number + 1} in {key.name}",
            ),
            backbone_ids=tuple(chords[row]),
            event_ids=tuple(events[row]),
            nats={**({"backbone": chord_nats[row]} if chord_nats else {}), "melody": event_nats[row]},
            settings=_plain(controls, number),
        )


def _chords(model: Model, controls: Controls, numbers: Sequence[int]) -> tuple[list[list[int]], list[float]]:
    """Each piece's chord tokens, and their mean negative log likelihoods; those are none for given chords."""
    key, meter, bars = controls.key, controls.meter, controls.bars
    if controls.chords is not None:
        assert key is not None  # `read_controls` sees to both
        assert meter is not None
        return [chord_tokens(controls.chords, key, meter)] * len(numbers), []
    stage = model.stage("backbone")
    beats = bars * (meter.beats_per_bar if meter else backbone_tokens.MAX_BEATS_PER_BAR)
    given = np.full((round_up(len(numbers), 1), round_up(beats + 4)), FREE, np.int32)
    given[:, 0] = _first(len(given), len(numbers), backbone_tokens.BOS, backbone_tokens.EOS)
    if key is not None:
        given[:, 1] = backbone_tokens.key_id(key)
    if meter is not None:
        given[:, 2] = backbone_tokens.meter_id(meter)
    sampled = sample_backbone(
        stage.config.model,
        stage.params,
        given,
        np.int32(bars),
        np.uint32(controls.seed),
        _rows(numbers, len(given)),
        _settings(controls, controls.temperature_backbone),
    )
    return _finished(sampled, len(numbers), backbone_tokens.EOS)


def _melodies(
    model: Model, controls: Controls, numbers: Sequence[int], chords: Sequence[Sequence[int]]
) -> tuple[list[list[int]], list[float]]:
    """Each piece's melody events, and their mean negative log likelihoods."""
    stage = model.stage("melody")
    rows = round_up(len(numbers), 1)
    padded = [*chords, *[chords[0]] * (rows - len(chords))]
    capacity = melody_loop.max_events(_room(controls.bars), MAX_BAR_TICKS)
    given = np.full((rows, capacity), FREE, np.int32)
    given[:, 0] = _first(rows, len(numbers), melody_tokens.BOS, melody_tokens.EOS)
    sampled = sample_melody(
        stage.config.model,
        stage.config.batch.length,
        stage.params,
        melody_plan(padded, controls.bars, controls.tempo, controls.silent_bars),
        given,
        np.uint32(controls.seed),
        _rows(numbers, rows),
        _settings(controls, controls.temperature),
    )
    return _finished(sampled, len(numbers), melody_tokens.EOS)


def melody_plan(
    chords: Sequence[Sequence[int]], bars: int, tempo: float, silent_bars: int = DEFAULT_SILENT_BARS
) -> Plan:
    """What the melody sampler is told of pieces whose chords are these backbone sequences."""
    ticks = _room(bars) * MAX_BAR_TICKS + 1
    scores = [backbone.decode(ids) for ids in chords]
    meters = [score.meter for score in scores]
    harmonies = [Harmony.of_beats(*backbone.harmony_of_beats(score)) for score in scores]

    def column(values: Iterable[int]) -> Any:
        return np.fromiter(values, np.int32, len(scores))

    mask: Any = np.stack([melody_loop.mask_table(meter.bar_ticks) for meter in meters])
    harmony: Any = np.stack([melody_loop.harmony_table(harmony, ticks) for harmony in harmonies])
    return Plan(
        harmony=harmony,
        mask=mask,
        key=column(score.key.index for score in scores),
        meter_num=column(meter.numerator for meter in meters),
        meter_den=column(meter.denominator for meter in meters),
        tempo_bin=column(tempo_bin(tempo) for _ in scores),
        bar_ticks=column(meter.bar_ticks for meter in meters),
        bars=column(bars for _ in scores),
        silent_bars=column(silent_bars for _ in scores),
    )


def round_up(size: int, smallest: int = _SMALLEST) -> int:
    """The next of smallest * (1, 1.5, 2, 3, 4, 6, 8, ...), or of its powers of 2 where it is odd."""
    step = smallest
    while step < size:
        if smallest % 2 == 0 and step * 3 // 2 >= size:
            return step * 3 // 2
        step *= 2
    return step


def _room(bars: int) -> int:
    """Bars that tables of ticks and events have room for: room is cheap there, and few sizes compile less."""
    return round_up(bars, 16)


def _first(rows: int, wanted: int, begin: int, end: int) -> np.ndarray:
    """The first token of each row: rows that only fill the shape have ended before they begin."""
    return np.where(np.arange(rows) < wanted, begin, end)


def _rows(numbers: Sequence[int], rows: int) -> np.ndarray:
    return np.pad(np.asarray(numbers, np.int32), (0, rows - len(numbers)))


def _settings(controls: Controls, temperature: float) -> Settings:
    return Settings(np.float32(temperature), np.int32(controls.top_k), np.float32(controls.top_p))


def _finished(sampled: Any, rows: int, eos: int) -> tuple[list[list[int]], list[float]]:
    """Each wanted row up to its EOS, and the mean of what its tokens cost in nats."""
    ids, likelihood = np.asarray(sampled.ids)[:rows], np.asarray(sampled.log_probability)[:rows]
    sequences, nats = [], []
    for row, chances in zip(ids.tolist(), likelihood, strict=True):
        length = row.index(eos) + 1
        sequences.append(row[:length])
        nats.append(-float(chances[1:length].mean()))
    return sequences, nats


def _plain(controls: Controls, number: int) -> dict[str, Any]:
    """The controls as JSON values."""
    wanted = asdict(controls)
    del wanted["chords"]
    return {
        **wanted,
        "key": controls.key and controls.key.name,
        "meter": controls.meter and str(controls.meter),
        "chords_given": controls.chords is not None,
        "number": number,
    }
