"""Edits of the piece as a whole: title, key, meter, tempo, and what suggestions are to be like."""

from __future__ import annotations

from dataclasses import replace

from hrpe_jax.arranging.styles import read_band
from hrpe_jax.errors import UserError, cut
from hrpe_jax.sampling.controls import read_controls
from hrpe_jax.sampling.options import ComposeOptions
from hrpe_jax.server.actions import Refused, action
from hrpe_jax.server.bars import BarContent, put_together, take_apart
from hrpe_jax.server.state import State, with_form
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

MIN_TEMPO, MAX_TEMPO = 20.0, 400.0


@action("Change the title")
def set_title(state: State, title: str, composer: str | None = None) -> State:
    """Names the piece, and who wrote it."""
    score = replace(state.score, title=" ".join(title.split())[:200])
    if composer is not None:
        score = replace(score, composer=" ".join(composer.split())[:200])
    return replace(state, score=score)


@action("Change the key")
def set_key(state: State, key: str, transpose: bool = True) -> State:
    """Transposes the piece to another key by the shorter way, or only calls it by another key.

    Between major and minor nothing can be transposed: notes and chords stay as they are.
    """
    try:
        new = Key.parse(key)
    except ValueError as error:
        raise Refused(str(error)) from None
    old = state.score.key
    moved = state.score
    if transpose and new.mode == old.mode:
        _nothing_locked(state)
        moved = state.score.transpose((new.tonic - old.tonic + 5) % 12 - 5)
    return replace(state, score=replace(moved, key=new))


@action("Transpose the piece")
def transpose(state: State, semitones: int) -> State:
    """Moves everything, the key too, by semitones."""
    if not -24 <= semitones <= 24:
        raise Refused(f"{semitones} semitones: expected -24 to 24")
    _nothing_locked(state)
    return replace(state, score=state.score.transpose(semitones))


@action("Change the meter")
def set_meter(state: State, meter: str) -> State:
    """Every bar keeps what it begins with; what the new bar has no room for goes."""
    try:
        new = Meter.parse(meter)
    except ValueError as error:
        raise Refused(str(error)) from None
    if not new.is_supported:
        raise Refused(f"meter {meter}: expected one such as 4/4, 3/4, 6/8 or 2/2")
    if new == state.score.meter:
        return state
    _nothing_locked(state)
    contents = [_fitted(bar, new) for bar in take_apart(state)]
    changed = put_together(state, contents, new)
    return replace(changed, score=with_form(changed.score, state.score.form))


def _fitted(bar: BarContent, new: Meter) -> BarContent:
    """A bar in another meter: notes keep their ticks, chords the share of the bar before them."""
    length, beat = new.bar_ticks, new.beat_ticks
    notes = tuple(note for note in bar.notes if note.onset < length)
    places = [round(span.onset / bar.length * length / beat) * beat for span in bar.chords]
    chords = []
    for index, (place, span) in enumerate(zip(places, bar.chords, strict=True)):
        after = places[index + 1] if index + 1 < len(places) else length
        if place < min(after, length):
            end = round(span.end / bar.length * length / beat) * beat
            chords.append(
                replace(span, onset=place, duration=max(min(end, after, length), place + 1) - place)
            )
    return replace(
        bar,
        length=length,
        notes=notes,
        chords=tuple(chords),
        locked_notes=frozenset(tick for tick in bar.locked_notes if tick < length),
        locked_chords=frozenset(),
    )


@action("Change the tempo")
def set_tempo(state: State, tempo: float) -> State:
    """Sets the quarter notes a minute."""
    if not MIN_TEMPO <= tempo <= MAX_TEMPO:
        raise Refused(f"tempo {tempo:g}: expected {MIN_TEMPO:g} to {MAX_TEMPO:g} quarter notes a minute")
    return replace(state, score=replace(state.score, tempo_bpm=float(tempo)))


@action("Change what is asked for")
def set_settings(
    state: State,
    style: str | None = None,
    range: str | None = None,
    density: float | None = None,
    any_density: bool = False,
    band: str | None = None,
) -> State:
    """Sets what suggestions are to be like; what is left out stays, "" leaves the choice to the model."""
    settings = state.settings
    if style is not None:
        settings = replace(settings, style=style.strip())
    if range is not None:
        settings = replace(settings, range=range.strip())
    if density is not None or any_density:
        settings = replace(settings, density=None if any_density else density)
    if band is not None:
        settings = replace(settings, band=band.strip())
    try:
        read_controls(
            ComposeOptions(
                style=settings.style or None, range=settings.range or None, density=settings.density
            )
        )
        if settings.band.endswith(".txt"):
            raise Refused(f"band {cut(settings.band)!r}: expected the name of a style, not a file")
        if settings.band:
            read_band(settings.band)
    except UserError as error:
        raise Refused(str(error).removeprefix("--")) from None
    return replace(state, settings=settings)


def _nothing_locked(state: State) -> None:
    locks = state.locks
    if locks.bars or locks.chords or locks.notes:
        raise Refused("some bars, chords or notes are locked; unlock them first")
