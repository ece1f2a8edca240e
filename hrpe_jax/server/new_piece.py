"""A whole new piece for a state: what its bars, form and chords are for the composer."""

from __future__ import annotations

from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from hrpe_jax.score.form import OTHER, Section
from hrpe_jax.score.score import Score
from hrpe_jax.server.edit_music import bar_text
from hrpe_jax.server.edits import act
from hrpe_jax.server.state import State, known_form, pickup_ticks, with_form
from hrpe_jax.server.suggestions import Candidate, Musician, candidate_of


def compose(composer: Musician, state: State, count: int = 4, seed: int = 0) -> list[Candidate]:
    """A whole piece: the state's bars, form, key, meter, tempo, and what its settings ask for.

    Chords that are there are kept, and so is what is locked; the melody is new. Where the state has one
    section only, a piece brings the form that it was drawn with. A pickup stays as it is.
    """
    pickup = pickup_ticks(state)
    if pickup:
        free = replace(state, locks=replace(state.locks, bars=state.locks.bars - {1}))
        body = act(free, {"do": "delete_bars", "first": 1, "last": 1})
        return [_behind_pickup(state, one, pickup) for one in compose(composer, body, count, seed)]
    score = state.score
    scores = composer.compose(
        num_pieces=count,
        key=score.key,
        meter=score.meter,
        tempo=score.tempo_bpm,
        seed=seed,
        style=state.settings.style or None,
        range=state.settings.range or None,
        density=state.settings.density,
        **_structure(state),
    )
    found = [candidate_of(state, made, 1, len(state.bars), "both") for made in scores]
    if known_form(state):
        return found
    return [_with_drawn_form(one, made) for one, made in zip(found, scores, strict=True)]


def _with_drawn_form(candidate: Candidate, made: Score) -> Candidate:
    if not made.form:
        return candidate
    score = with_form(replace(candidate.state.score, form=()), made.form)
    return replace(candidate, state=replace(candidate.state, score=score))


def _behind_pickup(state: State, candidate: Candidate, ticks: int) -> Candidate:
    """What was made for the bars behind a pickup, in its place."""
    made = candidate.state.score
    moved = replace(
        made,
        melody=tuple(replace(note, onset=note.onset + ticks) for note in made.melody),
        chords=tuple(replace(span, onset=span.onset + ticks) for span in made.chords),
    )
    found = candidate_of(state, moved, 2, len(state.bars), "both")
    if known_form(state):
        return found
    first, *others = made.form
    form = (replace(first, bars=first.bars + 1), *(replace(s, first_bar=s.first_bar + 1) for s in others))
    score = with_form(replace(found.state.score, form=()), form)
    return replace(found, state=replace(found.state, score=score))


def _structure(state: State) -> dict[str, Any]:
    """Bars, form and chords as `Composer.compose` takes them.

    The composer takes the chords of a form once for each section that is new. Where a section comes back with
    other chords than the first time, the chords are given bar by bar, without the form.
    """
    texts = [bar_text(state.score, start, length) for start, length in state.bars]
    sections = _composed_form(state)
    form = "".join(f"{section.letter}{section.bars}" for section in sections)
    if not any(texts):
        return {"form": form} if form else {"bars": len(texts)}
    first: dict[str, list[str]] = {}
    for section in sections:
        own = texts[section.first_bar : section.end_bar]
        old = first.setdefault(section.name, own)
        if any(text not in ("", before) for text, before in zip(own, old, strict=False)):
            form = ""
    given = [text for own in first.values() for text in own] if form else texts
    chords = " | ".join(text or "?" for text in given)
    return {"chords": chords, "form": form} if form else {"chords": chords}


def _composed_form(state: State) -> list[Section]:
    """The form as `Composer.compose` takes it; none where it says nothing, or has sections without melody.

    The composer knows one kind of varied return, and no return that is longer than the first time. Such
    sections, and all X, which are like no other, get letters of their own.
    """
    if not all(section.has_melody for section in state.score.form):
        return []
    free = iter(letter for letter in ascii_uppercase if letter not in {s.name for s in state.score.form})
    first: dict[str, int] = {}
    found = []
    for section in known_form(state):
        letter = section.name + "'" * (section.is_varied and section.name in first)
        if section.bars > first.get(section.name, section.bars) or (section.name == OTHER and OTHER in first):
            letter = next(free, "")
            if not letter:
                return []
        first.setdefault(letter.rstrip("'"), section.bars)
        found.append(replace(section, letter=letter))
    return found
