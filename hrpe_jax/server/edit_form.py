"""Edits of the form: sections as blocks of bars, and bars as such."""

from __future__ import annotations

import re
from dataclasses import replace

from hrpe_jax.errors import cut
from hrpe_jax.score.form import MAX_MARKS, FormError, Section, parse_form
from hrpe_jax.server.actions import Refused, action
from hrpe_jax.server.bars import BarContent, put_together, take_apart
from hrpe_jax.server.edit_music import span_of
from hrpe_jax.server.state import MAX_BARS, State, with_form

_LETTER = re.compile(rf"[A-Za-z]'{{0,{MAX_MARKS}}}")


@action("Label the form")
def set_form(state: State, text: str) -> State:
    """Names the sections from the first bar on, as "A8B8A8"; bars that are missing are added at the end."""
    try:
        form = parse_form(text)
    except FormError as error:
        raise Refused(str(error)) from None
    wanted = form[-1].end_bar
    _room(wanted)
    missing = wanted - len(state.bars)
    if missing > 0:
        state = put_together(state, [*take_apart(state), *_new_bars(state, missing)])
    return replace(state, score=with_form(replace(state.score, form=()), form))


@action("Add a section")
def add_section(
    state: State, letter: str, bars: int, at: int | None = None, copy_of: int | None = None
) -> State:
    """Puts a section in: empty bars, or a copy of another section.

    Args:
        state: to be edited.
        letter: such as A or A'.
        bars: how many; of a copy, at most as many as that section has.
        at: number of the section before which it comes, from 1; None for the end.
        copy_of: number of the section that is copied.
    """
    _letter(letter)
    form = list(state.score.form)
    if not 1 <= bars <= MAX_BARS:
        raise Refused(f"a section of {bars} bars: expected 1 to {MAX_BARS}")
    place = len(form) if at is None else at - 1
    if not 0 <= place <= len(form):
        raise Refused(f"section {at}: expected 1 to {len(form) + 1}")
    contents = take_apart(state)
    _room(len(contents) + bars)
    new = _new_bars(state, bars)
    if copy_of is not None:
        source = _section(state, copy_of)
        new = [replace(c, locked=False) for c in contents[source.first_bar : source.end_bar]][:bars]
        bars = len(new)
    first = form[place].first_bar if place < len(form) else len(contents)
    contents[first:first] = new
    return _with_sections(state, contents, [*form[:place], Section(letter, 0, bars), *form[place:]])


@action("Rename a section")
def rename_section(state: State, section: int, letter: str) -> State:
    """Gives a section another letter."""
    _letter(letter)
    old = _section(state, section)
    form = [replace(s, letter=letter) if s == old else s for s in state.score.form]
    return replace(state, score=replace(state.score, form=tuple(form)))


@action("Change the length of a section")
def resize_section(state: State, section: int, bars: int) -> State:
    """Adds empty bars to the end of a section, or takes bars from there."""
    old = _section(state, section)
    if bars < 1:
        raise Refused(f"a section of {bars} bars: expected 1 or more; delete it instead")
    contents = take_apart(state)
    _room(len(contents) - old.bars + bars)
    if bars > old.bars:
        contents[old.end_bar : old.end_bar] = _new_bars(state, bars - old.bars)
    else:
        _delete(contents, old.first_bar + bars, old.end_bar)
    form = [replace(s, bars=bars) if s == old else s for s in state.score.form]
    return _with_sections(state, contents, form)


@action("Move a section")
def move_section(state: State, section: int, to: int) -> State:
    """Puts a section, with its bars, to another place among the sections (both from 1)."""
    old = _section(state, section)
    form = list(state.score.form)
    if not 1 <= to <= len(form):
        raise Refused(f"section {to}: expected 1 to {len(form)}")
    contents = take_apart(state)
    parts = [contents[s.first_bar : s.end_bar] for s in form]
    form.remove(old)
    form.insert(to - 1, old)
    parts.insert(to - 1, parts.pop(section - 1))
    return _with_sections(state, [bar for part in parts for bar in part], form)


@action("Delete a section")
def delete_section(state: State, section: int) -> State:
    """Takes a section and its bars out."""
    old = _section(state, section)
    contents = take_apart(state)
    _delete(contents, old.first_bar, old.end_bar)
    return _with_sections(state, contents, [s for s in state.score.form if s != old])


@action("Insert bars")
def insert_bars(state: State, at: int, count: int) -> State:
    """Puts empty bars before a bar, or behind the last; they belong to the section there."""
    contents = take_apart(state)
    if not 1 <= at <= len(contents) + 1:
        raise Refused(f"bar {at}: expected 1 to {len(contents) + 1}")
    if not 1 <= count <= MAX_BARS:
        raise Refused(f"{count} bars: expected 1 to {MAX_BARS}")
    _room(len(contents) + count)
    contents[at - 1 : at - 1] = _new_bars(state, count)
    inside = min(at, len(state.bars)) - 1
    form = [
        replace(s, bars=s.bars + count) if s.first_bar <= inside < s.end_bar else s for s in state.score.form
    ]
    return _with_sections(state, contents, form)


@action("Delete bars")
def delete_bars(state: State, first: int, last: int) -> State:
    """Takes bars out."""
    span_of(state, first, last)
    contents = take_apart(state)
    _delete(contents, first - 1, last)
    form = []
    for section in state.score.form:
        gone = max(0, min(section.end_bar, last) - max(section.first_bar, first - 1))
        if gone < section.bars:
            form.append(replace(section, bars=section.bars - gone))
    return _with_sections(state, contents, form)


@action("Copy bars")
def copy_bars(state: State, first: int, last: int, to: int) -> State:
    """Writes what some bars hold over others; bars beyond the end are added."""
    span_of(state, first, last)
    contents = take_apart(state)
    if not 1 <= to <= len(contents) + 1:
        raise Refused(f"bar {to}: expected 1 to {len(contents) + 1}")
    copied = [replace(bar, locked=False) for bar in contents[first - 1 : last]]
    _room(max(len(contents), to - 1 + len(copied)))
    for number in range(to, min(to + len(copied), len(contents) + 1)):
        if contents[number - 1].locked:
            raise Refused(f"bar {number} is locked; unlock it first")
    added = max(0, to - 1 + len(copied) - len(contents))
    contents[to - 1 : to - 1 + len(copied)] = copied
    form = list(state.score.form)
    if added:
        form[-1] = replace(form[-1], bars=form[-1].bars + added)
    return _with_sections(state, contents, form)


def _new_bars(state: State, count: int) -> list[BarContent]:
    return [BarContent(state.score.meter.bar_ticks)] * count


def _with_sections(state: State, contents: list[BarContent], form: list[Section]) -> State:
    """The bars put together, under sections that follow each other."""
    placed, first = [], 0
    for section in form:
        placed.append(replace(section, first_bar=first))
        first += section.bars
    new = put_together(state, contents)
    return replace(new, score=with_form(new.score, tuple(placed)))


def _delete(contents: list[BarContent], first: int, end: int) -> None:
    """Takes bars out of a list, by their indices."""
    if end - first >= len(contents):
        raise Refused("a piece needs one bar at least; clear the bars instead")
    for number in range(first, end):
        if contents[number].locked:
            raise Refused(f"bar {number + 1} is locked; unlock it first")
    del contents[first:end]


def _section(state: State, number: int) -> Section:
    if not 1 <= number <= len(state.score.form):
        raise Refused(f"section {number}: expected 1 to {len(state.score.form)}")
    return state.score.form[number - 1]


def _letter(letter: str) -> None:
    if not _LETTER.fullmatch(letter):
        raise Refused(
            f"section {cut(letter)!r}: expected a letter and at most {MAX_MARKS} marks, as in A or A'"
        )


def _room(bars: int) -> None:
    if bars > MAX_BARS:
        raise Refused(f"{bars} bars; a project has at most {MAX_BARS}")
