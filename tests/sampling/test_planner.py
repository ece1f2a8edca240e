"""Planning: what is asked is kept, the rest is drawn, a theme returns after a prime, old models have none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hrpe_jax.checkpoints.release import load_model, write_released
from hrpe_jax.codec.backbone import encode_ids
from hrpe_jax.codec.plan import BREATH_SILENT, COLUMNS, RETURN_EXACT, RETURN_FREE, Attributes, outline
from hrpe_jax.data.attribute_table import AttributeTable, Row
from hrpe_jax.data.outline_model import TONIC, Ending, EndingModel, fit_outlines
from hrpe_jax.data.plan_tables import PlanTables
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.candidates import lacks_contrast
from hrpe_jax.sampling.planner import plan_melodies, plan_pieces
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.sampling.tiny import controls_of, pieces_of, planned_model, tiny_model


def tables() -> PlanTables:
    plan = outline([("A", 0, 4), ("B", 4, 4), ("A", 8, 4)], 12)
    plan[:, COLUMNS.index("breath")], plan[:, COLUMNS.index("reuse")] = 2, 1
    plan[8:, COLUMNS.index("returns")] = RETURN_EXACT
    rows = [
        Row(Meter(4, 4), Key(0, "major"), bars, Attributes("pop", tempo, 60, 76, 5.0, 0.0))
        for bars in (8, 16)
        for tempo in (70.0, 80.0, 90.0, 100.0, 110.0, 120.0)
    ]
    endings = EndingModel({"pop": {Ending(1, TONIC, 1): 5}})
    return PlanTables(AttributeTable(rows, {"pop": 80.0}), fit_outlines([("pop", plan)] * 4), endings)


MODEL = replace(planned_model(), tables=tables())


def plans_of(**options: Any) -> list[Any]:
    controls = controls_of(**options)
    numbers = list(range(controls.num_pieces))
    plans = plan_pieces(MODEL, controls, numbers)
    assert plans is not None
    return plans


def column(plan: Any, name: str) -> list[int]:
    return plan.outline[:, COLUMNS.index(name)].tolist()


def test_a_model_without_plans_plans_nothing() -> None:
    controls = controls_of(num_pieces=2)
    assert plan_pieces(tiny_model(), controls, [0, 1]) is None
    assert plan_melodies(tiny_model(), controls, [0, 1], None, []) is None


def test_a_form_that_is_asked_for_is_kept_and_one_that_is_not_fills_the_bars() -> None:
    (asked,) = plans_of(form="A4B4A'4", num_pieces=1)
    assert asked.form == (Section("A", 0, 4), Section("B", 4, 4), Section("A'", 8, 4))
    for plan in plans_of(bars=23, num_pieces=3):
        assert sum(section.bars for section in plan.form) == 23
        assert len(plan.outline) == 23
    assert plans_of(bars=200, num_pieces=1)[0].form[-1].end_bar == 200


def test_an_intro_is_silent_and_comes_first() -> None:
    (plan,) = plans_of(bars=16, intro=4, num_pieces=1)
    assert plan.form[0] == Section("i", 0, 4)
    assert column(plan, "letter")[:4] == [1] * 4


def test_the_same_number_has_the_same_plan_however_many_are_asked() -> None:
    few, many = plans_of(num_pieces=2, seed=4), plans_of(num_pieces=5, seed=4)
    for one, other in zip(few, many, strict=False):
        assert one.form == other.form
        np.testing.assert_array_equal(one.outline, other.outline)


def test_after_a_prime_its_theme_returns() -> None:
    notes = tuple(Note(bar * 48, 24, 60 + bar) for bar in range(4))
    score = Score(
        "", "", Key(0, "major"), Meter(4, 4), 80.0, notes, (ChordSpan(0, 192, Chord(0, "maj", 0)),),
        form=(Section("B", 0, 4),),
    )  # fmt: skip
    (plan,) = plans_of(prime=score, bars=8, num_pieces=1)
    assert plan.form[0] == Section("B", 0, 4)
    assert plan.form[1].letter == "B"
    assert column(plan, "back")[4] == 4


@pytest.mark.parametrize(
    ("first", "range_of_piece"), [(60, (59, 77)), (48, (48, 66)), (80, (65, 83)), (57, (57, 75))]
)
def test_a_continuation_stays_in_the_register_of_its_prime(
    first: int, range_of_piece: tuple[int, int]
) -> None:
    """The range that is drawn, 60 to 76 and a semitone more on both sides, is moved and not widened."""
    notes = tuple(Note(bar * 48, 24, first + bar) for bar in range(4))
    spans = (ChordSpan(0, 192, Chord(0, "maj", 0)),)
    score = Score("", "", Key(0, "major"), Meter(4, 4), 80.0, notes, spans)
    controls = controls_of(prime=score, bars=8, num_pieces=1)
    plans = plan_melodies(MODEL, controls, [0], plan_pieces(MODEL, controls, [0]), [encode_ids(score)])
    assert plans is not None
    (plan,) = plans
    assert (plan.attributes.lowest, plan.attributes.highest) == range_of_piece


def test_an_unknown_style_is_said_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"--style: 'popp': no such style; did you mean 'pop'"):
        plans_of(style="popp")


def test_pieces_keep_range_tempo_form_and_silence_and_a_folder_keeps_the_tables(tmp_path: Any) -> None:
    model = load_model(write_released(MODEL, tmp_path / "model"))
    asked = {"bars": 8, "form": "A4A'4", "range": "C4-C5", "tempo": 97.0, "key": "C", "meter": "4/4"}
    (piece,) = pieces_of(model, num_pieces=1, **asked)
    (again,) = pieces_of(MODEL, num_pieces=1, **asked)
    assert piece.score == again.score
    assert piece.score.tempo_bpm == 97
    assert all(60 <= note.pitch <= 72 for note in piece.score.melody)
    assert [section.letter for section in piece.score.form] == ["A", "A'"]
    outlined = np.array(piece.settings["plan"]["outline"]["returns"])
    assert (outlined[4:] == RETURN_FREE).all()
    assert piece.settings["plan"]["outline"]["breath"][0] != BREATH_SILENT
    assert piece.score.melody[0].onset < 48


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"range": "C4-D4"}, "--range: C4-D4: expected a fifth"),
        ({"range": "up"}, "--range: 'up': expected two notes, such as A3-E5"),
        ({"density": 0.0}, "--density: above 0"),
        ({"intro": 16}, "--intro: 0 to 15 expected"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_composed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        controls_of(**options)
    assert str(error.value).startswith(message)


def test_a_new_letter_with_the_chords_of_another_lacks_contrast() -> None:
    form = (Section("A", 0, 1), Section("A", 1, 1), Section("B", 2, 1))
    key, meter = Key(0, "major"), Meter(4, 4)

    def chords(*roots: int) -> list[int]:
        spans = tuple(ChordSpan(48 * n, 48, Chord(r, "maj", r)) for n, r in enumerate(roots))
        return encode_ids(Score("", "", key, meter, 90.0, (), spans))

    assert lacks_contrast(chords(0, 5, 0), form)
    assert not lacks_contrast(chords(0, 0, 7), form)
    assert not lacks_contrast(chords(0, 0, 0), form[:2])
