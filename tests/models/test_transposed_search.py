"""Motions of the root name chords in any key; what comes back in another key is found, and in its own too."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models import transposed_search
from hrpe_jax.models.config import BackboneModelConfig
from hrpe_jax.models.harmonic_attention import PERIOD
from hrpe_jax.ops import hrpe, repeats
from hrpe_jax.theory.chord import parse_lead_sheet, to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.models.test_backbone import SMALL, with_codes

PREFIX = [tokens.BOS, tokens.key_id(Key.from_index(0)), tokens.meter_id(Meter(4, 4))]
SEARCH = BackboneModelConfig(**SMALL, transposed_repeats=32, transposed_phrases=(2, 4))


def song(text: str, beats: int = 4) -> dict[str, jax.Array]:
    """A row of chords, "-" for none."""
    chords = [tokens.chord_id(None if x == "-" else parse_lead_sheet(x), beats) for x in text.split()]
    return with_codes(np.asarray([[*PREFIX, *chords]]), 0)


def motions(batch: dict[str, jax.Array]) -> hrpe.Codes:
    sounds = batch["quality_code"] != tokens.NO_QUALITY_CODE
    return hrpe.motion(hrpe.Codes(batch["root_pc"], (), sounds), PERIOD, batch["segment_ids"])


def names(ids: Any) -> list[str]:
    return [to_lead_sheet(tokens.id_chord(int(x))) if x >= tokens.NO_CHORD0 else "" for x in ids]


@jax.jit
def found(batch: dict[str, jax.Array]) -> tuple[Any, Any]:
    state = transposed_search.empty(SEARCH, 1)
    assert state is not None
    beats = batch["beats_per_bar"]
    state, again = transposed_search.follow_repeats(state, batch, motions(batch), beats)
    _, began = transposed_search.follow_phrases(
        state, batch, motions(batch), SEARCH.transposed_phrases, beats
    )
    return again, began


def test_a_chord_and_the_one_before_make_the_chord_again() -> None:
    rng = np.random.default_rng(0)
    events = np.flatnonzero(tokens.VALID & (tokens.KIND == tokens.KIND_EVENT))
    batch = with_codes(rng.choice(events, (3, 40)), 0)
    ids = batch["input_ids"]

    @jax.jit
    def there_and_back() -> tuple[hrpe.Codes, jax.Array]:
        motion = motions(batch)
        moved = transposed_search.as_motions(ids, motion)
        return motion, transposed_search.from_motions(moved[:, 1:], ids[:, :-1])

    motion, again = there_and_back()
    # The root after a silence comes from nowhere; all else is kept.
    known = np.asarray(motion.present[:, 1:] | (ids[:, 1:] < tokens.CHORD0))
    np.testing.assert_array_equal(np.asarray(again)[known], np.asarray(ids[:, 1:])[known])
    assert (np.asarray(again)[~known] == repeats.NOTHING).all()
    assert known.any()


def test_a_progression_is_found_in_another_key() -> None:
    """C F G7 goes on a step higher: after D and G the search expects A7, the literal one has met neither."""
    batch = song("C F G7 D G")
    again, began = found(batch)
    assert names(again.event[0, :, 0])[-1] == "A7"
    assert again.agree[0, -1].tolist() == [1, 0]
    literal = jax.jit(repeats.follow)(
        repeats.empty(1, 32), batch["input_ids"], batch["bar_phase"],
        jnp.asarray(tokens.BEATS)[batch["input_ids"]], batch["positions"] == 0,
    )[1]  # fmt: skip
    assert literal.agree[0, -1, 0] == 0
    # By the clock: two bars before the next one D came, a fifth above the chord before; and four before it F.
    assert names(began.event[0, -1]) == ["D", "C"]


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_candidates_move_with_a_transposition_in_mid_song(semitones: int) -> None:
    """Transposed from its seventh chord on, what is found behind the change is moved, and no more."""
    batch = song("C F G7 C F G7 C F G7 C F G7 C F G7")
    start = len(PREFIX) + 6
    ids = np.array(batch["input_ids"])
    image = np.asarray(tokens.transpose_table()[semitones])
    ids[0, start:] = image[ids[0, start:]]
    before, after = found(batch)[0], found(with_codes(ids, 0))[0]
    late = start + 6  # behind the place where the longest agreement expects the change itself again
    here, there = np.asarray(before.event[0, late:, 0]), np.asarray(after.event[0, late:, 0])
    assert (here >= 0).all()
    np.testing.assert_array_equal(image[here], there)
    np.testing.assert_array_equal(before.event[0, :start], after.event[0, :start])


def test_songs_and_silences_hide_what_was_before() -> None:
    first = song("C F G7 C F")
    both = {name: jnp.concatenate([x, x], axis=1) for name, x in first.items()}
    both["segment_ids"] = jnp.repeat(jnp.array([[1, 2]]), first["input_ids"].shape[1], axis=1)
    for alone, packed in zip(found(first), found(both), strict=True):
        half = first["input_ids"].shape[1]
        np.testing.assert_array_equal(packed.event[:, half:], alone.event)
        np.testing.assert_array_equal(
            packed.agree[:, half:] if hasattr(packed, "agree") else 0,
            alone.agree if hasattr(alone, "agree") else 0,
        )
    # No root can be named from a silence, and none is.
    again, _ = found(song("C F - D G -"))
    assert names(again.event[0, :, 0])[-1] == ""
    assert again.agree[0, -1, 0] == 0


def test_no_search_has_no_state() -> None:
    assert transposed_search.empty(BackboneModelConfig(**SMALL), 1) is None
