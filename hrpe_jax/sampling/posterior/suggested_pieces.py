"""Suggestions as pieces, to be written as pieces are: what `sample --rewrite` and harmonising give."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone, melody
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.compose import Piece
from hrpe_jax.sampling.controls import MAX_PIECES
from hrpe_jax.sampling.options import ComposeOptions
from hrpe_jax.sampling.posterior.spans import first_number, read_bars
from hrpe_jax.sampling.posterior.suggest import Suggestion, SuggestOptions, check_options, harmonize, suggest
from hrpe_jax.score.score import Score

HARMONIZE = "harmonize"
_OF_THE_PIECE = ("bars", "key", "mode", "meter", "tempo", "form", "range", "density")
"""Options that a piece which is given has of its own."""


def asks_for_suggestions(options: ComposeOptions) -> bool:
    """Whether options ask for bars of a piece that is given, not for a new piece."""
    return options.rewrite is not None or options.prime_use == HARMONIZE


def read_suggestion(options: ComposeOptions) -> tuple[Score, SuggestOptions]:
    """The piece, and what is asked of it.

    Args:
        options: whose prime, if there is one, is a `Score`; `composer.read_prime` reads a file.

    Raises:
        UserError: one line that names the option.
    """
    score = options.prime
    option = "rewrite" if options.rewrite is not None else "prime_use"
    if not isinstance(score, Score):
        raise UserError(f"--{option}: needs the piece; give it with --prime=FILE")
    for name in _OF_THE_PIECE:
        if getattr(options, name) is not None:
            raise UserError(f"--{name}: the piece of --prime has its own; leave --{name} or --{option} out")
    if options.prime_use == "chords":
        raise UserError("--prime_use: chords writes a whole new melody; leave it or --rewrite out")
    if options.num_pieces > MAX_PIECES:
        raise UserError(f"--num_pieces: at most {MAX_PIECES} expected, got {options.num_pieces}")
    use = options.prime_use == HARMONIZE
    asked = SuggestOptions(
        bars=options.rewrite,
        what="chords" if use else options.rewrite_what,
        count=options.num_pieces,
        keep_chords=options.chords,
        distance=options.distance,
        chords_per_bar=options.chords_per_bar,
        candidates=2 * options.candidates,
        temperature=options.temperature,
        style=options.style,
        seed=options.seed,
    )
    if options.chords is not None and asked.what != "chords":
        raise UserError("--chords: chords are kept where chords are asked for; use --rewrite_what=chords")
    check_options(score, asked)
    if use and not score.melody:
        name = score.id or "the piece"
        raise UserError(f"--prime: {name} has no melody to harmonise; expected at least one note")
    return score, asked


def suggested_pieces(model: Model, options: ComposeOptions) -> list[Piece]:
    """The suggestions for a piece, as pieces.

    Args:
        model: with the stages that are needed.
        options: as for `read_suggestion`.

    Raises:
        UserError: something that cannot be.
    """
    score, asked = read_suggestion(options)
    use = options.prime_use == HARMONIZE
    found = harmonize(model, score, asked) if use else suggest(model, score, asked)
    return [_piece(options, score, each, number, use) for number, each in enumerate(found)]


def _piece(options: ComposeOptions, score: Score, found: Suggestion, number: int, use: bool) -> Piece:
    digits = max(2, len(str(options.num_pieces)))
    name = score.title or score.id or "A piece"
    kind = "with other chords" if use else f"with other {found.what}"
    title = f"{name}, {'harmonised' if use else kind} ({number + 1})"
    made = replace(found.score, id=f"piece-{number + 1:0{digits}}", title=title)
    settings: dict[str, Any] = {
        "number": number,
        "seed": options.seed,
        "num_pieces": options.num_pieces,
        "prime": {"id": score.id, "title": score.title, "use": HARMONIZE if use else "rewrite"},
        **suggestion_values(score, found),
    }
    return Piece(made, tuple(backbone.encode_ids(made)), tuple(melody.encode_ids(made)), {}, settings)


def suggestion_values(score: Score, found: Suggestion) -> dict[str, Any]:
    """What was given and what was suggested, as JSON values.

    Args:
        score: that was given.
        found: a suggestion for it.

    Returns:
        "given" and "suggested" in words, "bars" (first and last number of each span), "log_weight" in nats,
        "reason", and for chords "votes": the share of each beat's chord, None where it was given.
    """
    low = first_number(score)
    bars = [[span.first + low, span.last - 1 + low] for span in found.spans]
    shown = ", ".join(f"{first}-{last}" if first < last else str(first) for first, last in bars)
    new = {"both": "melody and chords"}.get(found.what, found.what)
    stays = {"chords": "the melody", "melody": "the chords"}.get(found.what, "")
    given = f"{stays}, and all outside these bars" if stays else "all outside these bars"
    values: dict[str, Any] = {
        "suggested": f"{new} of bars {shown}",
        "given": given,
        "bars": bars,
        "log_weight": round(found.log_weight, 3),
        "reason": found.reason,
    }
    if found.votes:
        votes = [None if math.isnan(vote) else round(vote, 3) for vote in found.votes]
        told = [vote for vote in votes if vote is not None]
        if told:
            values["agreement"] = round(sum(told) / len(told), 3)
        values["votes"] = votes
    return values


__all__ = ["HARMONIZE", "asks_for_suggestions", "read_bars", "read_suggestion", "suggested_pieces"]
