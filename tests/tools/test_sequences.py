"""Progressions in another key: where they are, what searches and attention find, and a fitted score."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.theory.chord import parse_lead_sheet, to_lead_sheet

FOLDER = Path(__file__).parents[2] / "experiments" / "hrpe_ablation"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The scripts as modules."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("sequences", "sequence_places", "transposed_trust", "tables", "rows")
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def ids_of(text: str, beats: int = 4) -> np.ndarray:
    """A song of chords, "-" for none."""
    chords = [tokens.chord_id(None if x == "-" else parse_lead_sheet(x), beats) for x in text.split()]
    return np.array([tokens.BOS, tokens.KEY0, tokens.METER0 + 13, *chords])


def test_only_motions_follow_a_sequence_by_random_intervals(
    modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim of the docs: a search for roots cannot, nor can tables over them; tables over motions can."""
    monkeypatch.setattr(modules.sequences, "TEST_SONGS", 32)
    found = modules.sequences.without_learning()
    assert max(found["literal search"], found["attention by hand over roots"]) < 1 / 12
    assert found["transposed search"] > 0.7
    assert found["attention by hand over motions"] > 0.95


def test_songs_state_one_pattern_from_different_roots(modules: SimpleNamespace) -> None:
    batch, known = modules.sequences.songs(np.random.default_rng(0), 8)
    for row in range(8):
        roots = tokens.ROOT[batch["target_ids"][row, 2:]].astype(int)
        steps = np.diff(roots) % 12
        length = next(n for n in (4, 5, 6) if (steps[: n - 1] == steps[n : 2 * n - 1]).all())
        statements = [tuple(roots[i : i + length]) for i in range(0, len(roots) - length + 1, length)]
        assert len(set(statements)) == len(statements)
        # What is known follows from an earlier statement.
        for place in np.flatnonzero(known[row, 2:]):
            assert place >= length
            assert place % length > 0
            assert steps[place - 1] == steps[place % length - 1]


def slow_agreements(root: np.ndarray, quality: np.ndarray, shifts: range) -> list[int]:
    """For how many chords the past of each agrees with that of an earlier one, moved by one of the shifts."""
    found = []
    for i in range(len(root)):
        longest = 0
        for j in range(i):
            for shift in shifts:
                n = 0
                while (
                    n <= j
                    and quality[i - n] == quality[j - n]
                    and ((root[j - n] + shift - root[i - n]) % 12 == 0 if quality[i - n] < 32 else shift == 0)
                ):
                    n += 1
                longest = max(longest, n)
        found.append(longest)
    return found


def test_agreements_equal_loops(modules: SimpleNamespace) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        quality = rng.choice([0, 1, tokens.NO_QUALITY], 14, p=[0.5, 0.4, 0.1])
        root = np.where(quality == tokens.NO_QUALITY, 0, rng.integers(0, 4, 14))
        literal, transposed, following = modules.sequence_places.agreements(root, quality)
        assert literal.tolist() == slow_agreements(root, quality, range(1))
        sounds = quality != tokens.NO_QUALITY
        assert (
            transposed[sounds].tolist()
            == np.array(slow_agreements(root, quality, range(12)))[sounds].tolist()
        )
        assert ((following >= 1) == (transposed > 0)).all()


def test_sequence_places_are_where_three_chords_come_back_in_another_key(modules: SimpleNamespace) -> None:
    song = ids_of("C F G7 C D G A7 D E")
    batch = {"input_ids": np.array([song]), "segment_ids": np.ones((1, len(song)), int)}
    here = modules.sequence_places.sequence_places(batch)[0]
    # C F G7 C D a step higher: from its third chord on.
    assert np.flatnonzero(here).tolist() == [9, 10, 11]
    twice = np.array([[*song, *song]])
    packed = {"input_ids": twice, "segment_ids": np.repeat([[1, 2]], len(song), axis=1)}
    np.testing.assert_array_equal(modules.sequence_places.sequence_places(packed)[0], [*here, *here])
    found = modules.sequence_places.count([{"input_ids": song.tolist()}])
    assert (found["changes"], found["places"], found["chord_hit"]) == (8, 2, 2)
    # A literal repeat is none.
    again = ids_of("C F G7 C F G7 C")
    batch = {"input_ids": np.array([again]), "segment_ids": np.ones((1, len(again)), int)}
    assert not modules.sequence_places.sequence_places(batch).any()


def test_what_the_search_expects_is_moved(modules: SimpleNamespace) -> None:
    index, length, expected = modules.transposed_trust.candidates(ids_of("C F G7 D G"))[-1]
    assert (index, length) == (7, 2)
    chord = tokens.CHORD0 + (expected - 2) * tokens.INVERSIONS * tokens.MAX_BEATS
    assert to_lead_sheet(tokens.id_chord(int(chord))) == "A7"


def test_the_fitted_score_is_the_log_odds_that_are_missing(modules: SimpleNamespace) -> None:
    """A model that gives 0.1 to what comes half of the time needs log(9): then it is calibrated."""
    count = 400
    hit = np.arange(count) % 2 == 0
    found = {
        "song": np.array([f"song {i % 7}" for i in range(count)]),
        "length": np.full(count, 3),
        "place": np.ones(count, bool),
        "log_chance": np.full(count, np.log(0.1)),
        "nll": np.where(hit, -np.log(0.1), -np.log(0.3)),
        "hit": hit,
        "top_hit": ~hit,
    }
    scores = modules.transposed_trust.fit(found)
    assert scores[2] == pytest.approx(np.log(9), abs=0.05)
    assert scores[0] == scores[4] == 0
    result = modules.transposed_trust.summary(found, scores)["places"]
    assert result["less"] == pytest.approx(np.log(2 * 1.8 / 10) / 2, abs=0.01)
    assert result["low"] < result["less"] < result["high"] < 0
    assert modules.transposed_trust.summary(found, [0.0] * 5)["changes"]["less"] == 0


def test_the_page_has_the_figures_of_the_records(modules: SimpleNamespace) -> None:
    page = (FOLDER.parents[1] / "docs" / "research" / "motions.md").read_text(encoding="utf-8")
    records = modules.rows.read_records(modules.rows.RECORDS)
    for table in (modules.tables.sequence_counts(records), modules.tables.trust(records)):
        rows = table.splitlines()
        assert len(rows) > 7
        assert not [row for row in rows if row not in page]
    found = json.loads((FOLDER / "sequences.json").read_text(encoding="utf-8"))["without learning"]
    assert len(found) == 4
    assert not [name for name, accuracy in found.items() if f"| {accuracy:.3f} |" not in page]
