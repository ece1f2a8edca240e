"""Pieces with a melody alone: chords are found for them, and how often is said beside every number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hrpe_jax.analysis.melody_chords import find_melody_chords, too_little
from hrpe_jax.score.score import Score

FOUND = "found"


def with_chords(score: Score) -> tuple[Score, str]:
    """A score with chords found where it has a melody and no chord.

    Returns:
        The score, and "" where it had chords or has no melody, `FOUND`, or why none were found.
    """
    if not score.melody or has_chords(score):
        return score, ""
    reason = too_little(score.melody)
    return (score, reason) if reason else (replace(score, chords=find_melody_chords(score)), FOUND)


def has_chords(score: Score) -> bool:
    """Whether any chord of it sounds."""
    return any(not span.chord.is_none for span in score.chords)


def words(about: Mapping[str, Any]) -> str:
    """Of a set's counts (`collect.Collection.about`), how often chords were found, "" where none lacked
    them."""
    found = about["chords_from_melody"]
    if not found["pieces"]:
        return ""
    why = "; ".join(f"{count}: {reason}" for reason, count in found["not_found"].items())
    return f"{found['found']} of {found['pieces']} pieces that have none" + (f" ({why})" if why else "")


def notes(about: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What a reader must know before numbers of chords and harmony that rest on chords so found."""
    lines = []
    sets = ("generated", "reference")
    found = {name: about[name]["chords_from_melody"]["found"] for name in sets}
    for name in sets:
        if words(about[name]):
            lines.append(f"{name}: chords found from the melody alone in {words(about[name])}")
    if any(found.values()):
        lines.append(
            "chords found from a melody follow from it: the numbers of chords and harmony then say how it "
            "can be harmonised, not how anyone did"
        )
    mixed = [name for name in sets if found[name] and 2 * found[name] >= about[name]["pieces"]]
    if len(mixed) == 1:
        lines.append(
            f"half of the {mixed[0]} pieces or more have chords found from the melody, fewer of the others: "
            "distances of chords and harmony compare two kinds of chords"
        )
    return lines
