"""Planning pieces before they are composed: style, form, attributes, and what the melody does bar by bar.

What is asked for is kept; the rest is drawn from the tables that a model carries (`data.plan_tables`). The
chords need the form and the style; the range of the melody depends on the key, so attributes come after the
chords. Piece n of a seed has the same plan however many are composed with it.

A `PiecePlan` has the form, what the melody does bar by bar, and attributes. Both stages read it in the shape
in which training showed it to them (`codec.plan`, `codec.plan`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import melody as melody_codec
from hrpe_jax.codec.backbone import prefix_of
from hrpe_jax.codec.columns import ATTRIBUTES, STYLES, attribute_values, style_value
from hrpe_jax.codec.plan import (
    BACK,
    BREATH_SILENT,
    COLUMNS,
    FORM_COLUMNS,
    RETURN_EXACT,
    RETURN_FREE,
    REUSE_NEW,
    Attributes,
    described,
    melody_end,
    outline,
)
from hrpe_jax.data.form_model import draw_form
from hrpe_jax.data.outline_model import Ending
from hrpe_jax.errors import UserError, cut
from hrpe_jax.sampling.controls import Controls
from hrpe_jax.sampling.form_input import Form
from hrpe_jax.score.form import INTRO, Section, form_text, form_values
from hrpe_jax.utils.schema import suggestion


@dataclass(frozen=True)
class PiecePlan:
    """What is planned of one piece.

    Attributes:
        form: its sections; empty where it is unknown.
        outline: int32 `[bars, columns]`, see `codec.plan`.
        attributes: of the whole piece.
        ending: how it should end; None for any way.
    """

    form: tuple[Section, ...]
    outline: np.ndarray
    attributes: Attributes
    ending: Ending | None = None


def melody_columns(plans: Sequence[PiecePlan] | None, rows: int, bars: int) -> tuple[np.ndarray, np.ndarray]:
    """The plans of rows as the melody's sampler reads them.

    Args:
        plans: one for each row, or None: all is unknown then.
        rows: how many.
        bars: room for so many, the plans' at least.

    Returns:
        int32 `[rows, bars + 1, columns]` and `[rows, attributes]`.
    """
    outline = np.zeros((rows, bars + 1, len(COLUMNS)), np.int32)
    unknown = attribute_values(Attributes())
    attributes = np.tile(np.array([unknown[name] for name in ATTRIBUTES], np.int32), (rows, 1))
    for row, plan in enumerate(plans or ()):
        outline[row, : len(plan.outline)] = plan.outline
        values = attribute_values(plan.attributes)
        attributes[row] = [values[name] for name in ATTRIBUTES]
    return outline, attributes


def backbone_columns(plans: Sequence[PiecePlan] | None, rows: int, bars: int) -> np.ndarray:
    """The plans of rows as the chords' sampler reads them: int32 `[rows, bars + 1, columns]`.

    The columns are those of `codec.columns.BACKBONE_PLAN`.

    Args:
        plans: of the pieces; None for a model without.
        rows: of the batch, at least as many.
        bars: of the longest piece.
    """
    kept = [COLUMNS.index(name) for name in (*FORM_COLUMNS, BACK)]
    outline = np.zeros((rows, bars + 1, len(kept) + 1), np.int32)
    for row, plan in enumerate(plans or ()):
        outline[row, : len(plan.outline), :-1] = plan.outline[:, kept]
        outline[row, :, -1] = style_value(plan.attributes.style)
    return outline


def plan_values(plan: PiecePlan) -> dict[str, Any]:
    """A plan as JSON values: form, attributes, and the outline by column, one number a bar."""
    return {
        "form": form_text(plan.form),
        **plan.attributes.values(),
        "ending": None if plan.ending is None else plan.ending._asdict(),
        "outline": {name: plan.outline[:, number].tolist() for number, name in enumerate(COLUMNS)},
    }


DEFAULT_STYLE = STYLES[0]
WIDER = 1
"""Semitones by which a drawn range is wider, on both sides, than that of the training piece it is drawn from:
melodies that are held to a range use less of it than the song it came from."""
LONGEST_DRAWN = 64
"""Bars of the longest form that is drawn; in longer pieces it comes round again."""
_RETURNS, _REUSE, _BREATH = (COLUMNS.index(name) for name in ("returns", "reuse", "breath"))


def plans_forms(model: Model) -> bool:
    """Whether some stage of a model sees plans."""
    return any(stage.config.model.plan for _, stage in model.stages())


def plan_pieces(model: Model, controls: Controls, numbers: Sequence[int]) -> list[PiecePlan] | None:
    """The forms and styles of pieces: what the chords need. None for a model that sees no plans.

    Args:
        model: from `load_model`.
        controls: from `read_controls`.
        numbers: of the pieces, from 0.
    """
    if not plans_forms(model):
        return None
    return [_plan(model, controls, number) for number in numbers]


def plan_of_chords(model: Model, form: Sequence[Section], bars: int, style: str = "") -> PiecePlan | None:
    """The plan that the chords of a piece would be drawn with: its form and style. None for a model that sees
    no plans.

    Args:
        model: from `load_model`.
        form: sections of the piece; empty where they are unknown.
        bars: of the piece.
        style: a name that the model knows; "" for its usual one.

    Raises:
        UserError: the model does not know the style.
    """
    if not plans_forms(model):
        return None
    return PiecePlan(
        tuple(form), outline(form_values(form), bars), Attributes(_known_style(model, style or None))
    )


def plan_melodies(
    model: Model,
    controls: Controls,
    numbers: Sequence[int],
    plans: Sequence[PiecePlan] | None,
    chords: Sequence[Sequence[int]],
) -> list[PiecePlan] | None:
    """The plans with all that their melodies need: attributes, and what happens bar by bar.

    Args:
        model: whose tables are used.
        controls: what is asked.
        numbers: of the pieces.
        plans: from `plan_pieces`.
        chords: backbone tokens of each piece.
    """
    if plans is None:
        return None
    return [
        _with_melody(model, controls, number, plan, ids)
        for number, plan, ids in zip(numbers, plans, chords, strict=True)
    ]


def _generator(controls: Controls, number: int, what: int) -> np.random.Generator:
    return np.random.default_rng([controls.seed, number, what])


def _plan(model: Model, controls: Controls, number: int) -> PiecePlan:
    style = _known_style(model, controls.style)
    prime = controls.continued
    before = prime.bars if prime is not None else 0
    new = controls.bars - before
    rng = _generator(controls, number, 0)
    form: tuple[Section, ...] = ()
    if controls.form is not None:
        form = sections_of(controls.form)
    elif model.tables.outlines is not None and model.tables.outlines.knows_forms(style):
        drawn = draw_form(min(new - controls.intro, LONGEST_DRAWN), style, rng)
        form = _come_round(drawn, new - controls.intro, before + controls.intro)
    if controls.intro:
        form = (Section(INTRO, before, controls.intro), *form)
    if prime is not None:
        form = _after_prime(prime.score.form or (Section("A", 0, before),), form)
    bars = outline(form_values(form), controls.bars)
    endings = model.tables.endings
    return PiecePlan(form, bars, Attributes(style), None if endings is None else endings.draw(style, rng))


def _known_style(model: Model, asked: str | None) -> str:
    """The style that is asked for, or the model's usual one.

    Raises:
        UserError: the model does not know the style.
    """
    known = model.tables.attributes.styles if model.tables.attributes is not None else STYLES
    if asked is None:
        return DEFAULT_STYLE if DEFAULT_STYLE in known else known[0]
    if asked not in known:
        meant = suggestion(asked, filter(None, known))
        raise UserError(f"--style: {cut(asked)!r}: no such style; {meant}")
    return asked


def _come_round(form: Sequence[Section], bars: int, first_bar: int) -> tuple[Section, ...]:
    """A form from `first_bar` on, as often as it takes to fill so many bars; the last section may be cut."""
    length = sum(section.bars for section in form)
    if not length:
        return ()
    rounds = -(-bars // length)
    repeated = [
        replace(section, first_bar=section.first_bar + n * length) for n in range(rounds) for section in form
    ]
    inside = [
        replace(section, bars=min(section.bars, bars - section.first_bar))
        for section in repeated
        if section.first_bar < bars
    ]
    return tuple(replace(section, first_bar=section.first_bar + first_bar) for section in inside)


def _after_prime(of_prime: Sequence[Section], form: Sequence[Section]) -> tuple[Section, ...]:
    """A form that goes on from another: its first letter is the other's first, so that the theme returns."""
    used = [section.name for section in of_prime if section.has_melody]
    names = {used[0]: used[0]} if used else {}
    free = iter(letter for letter in "ABCDEFGHJKLMNPQRSTUVWYZ" if letter not in used)
    first = next((section.name for section in form if section.has_melody), None)
    if first is not None and used:
        names = {first: used[0]}
    renamed = []
    for section in form:
        if section.has_melody and section.name not in names:
            names[section.name] = next(free, section.name)
        letter = names[section.name] + section.letter[1:] if section.has_melody else section.letter
        renamed.append(replace(section, letter=letter))
    return (*of_prime, *renamed)


def sections_of(form: Form) -> tuple[Section, ...]:
    """The sections of a form that was asked for; a varied one has a mark."""
    return tuple(Section(part.name + "'" * part.varied, part.first, part.bars) for part in form.sections)


def _with_melody(
    model: Model, controls: Controls, number: int, plan: PiecePlan, chords: Sequence[int]
) -> PiecePlan:
    key, meter = prefix_of(chords)
    rng = _generator(controls, number, 1)
    asked = replace(controls.attributes, style=plan.attributes.style)
    attributes = asked
    if model.tables.attributes is not None and asked.style in model.tables.attributes.styles:
        table = model.tables.attributes
        attributes = table.draw(asked, rng, meter=meter, key=key, bars=controls.bars).attributes
        if controls.attributes.lowest is None and attributes.lowest is not None:
            low, high = attributes.lowest - WIDER, (attributes.highest or 0) + WIDER
            if controls.continued is not None:
                low, high = _around([note.pitch for note in controls.continued.score.melody], low, high)
            attributes = replace(attributes, lowest=low, highest=high)
        if attributes.tempo is None:
            attributes = replace(attributes, tempo=table.default_tempo.get(asked.style))
    if controls.intro:
        attributes = replace(attributes, entry=float(controls.intro * meter.beats_per_bar))
    elif attributes.entry is not None and not 0 <= attributes.entry < meter.beats_per_bar / 2:
        attributes = replace(attributes, entry=0.0)  # pieces are written in full bars, and begin in the first
    bars = plan.outline
    if model.tables.outlines is not None:
        bars = model.tables.outlines.draw(bars, asked.style, rng)
    if controls.form is not None:
        bars = _as_asked(bars, controls.form)
    prime = controls.continued
    if prime is not None:
        bars = bars.copy()
        record = melody_codec.encode(prime.score)
        ids, clocks = np.asarray(record["event_ids"]), np.asarray(record["bar_phase"])
        known = described(bars[: prime.bars], ids, clocks, meter.bar_ticks)
        bars[: melody_end(ids)] = known[: melody_end(ids)]
    return replace(plan, outline=bars, attributes=attributes)


def _around(pitches: Sequence[int], low: int, high: int) -> tuple[int, int]:
    """A range moved as little as can be until it holds these pitches, and as wide as they are at least."""
    if not pitches:
        return low, high
    width = max(high - low, max(pitches) - min(pitches))
    low = min(max(low, max(pitches) - width), min(pitches))
    return low, low + width


def _as_asked(bars: np.ndarray, form: Form) -> np.ndarray:
    """A plan by a form that a person wrote: a letter comes back as it was, one with a mark is varied.

    The last bar of the piece is free: it ends.
    """
    bars = bars.copy()
    for section in form.sections:
        if section.source is None:
            continue
        part = bars[section.first : section.first + section.bars]
        part[:, _RETURNS] = RETURN_FREE if section.varied else RETURN_EXACT
        if not section.varied:
            part[:, _BREATH] = bars[section.source : section.source + section.bars, _BREATH]
            part[:, _REUSE] = 0
    last = bars[-1]
    if last[_RETURNS] == RETURN_EXACT:
        last[_RETURNS] = 0
    if last[_BREATH] == BREATH_SILENT:
        last[_BREATH], last[_REUSE] = 3, REUSE_NEW
    return bars
