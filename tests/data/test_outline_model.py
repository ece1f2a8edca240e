"""What bars do, as counts: shares add up, draws follow them, files come back as they were."""

from __future__ import annotations

import numpy as np
import pytest

from hrpe_jax.codec.plan import (
    BREATH,
    BREATH_NONE,
    BREATH_SILENT,
    COLUMNS,
    RETURN_EXACT,
    RETURN_FREE,
    outline,
)
from hrpe_jax.data.outline_model import fit_outlines, outline_model_from_json, read_outline_model
from hrpe_jax.errors import UserError

RETURNS, REUSE, BREATHS = (COLUMNS.index(name) for name in ("returns", "reuse", "breath"))
FORM = [("i", 0, 2), ("A", 2, 4), ("B", 6, 4), ("A", 10, 4)]


def piece(phrase: int = 4) -> np.ndarray:
    """A piece whose phrases end every so many bars, and whose A returns as it was but for its last bar."""
    plan = outline(FORM, 14)
    plan[:, REUSE] = 1
    plan[:, BREATHS] = np.where((np.arange(14) - 1) % phrase == 0, BREATH, BREATH_NONE)
    plan[:2, BREATHS] = BREATH_SILENT
    plan[10:13, RETURNS], plan[13, RETURNS] = RETURN_EXACT, RETURN_FREE
    return plan


MODEL = fit_outlines([("pop", piece())] * 20 + [("folk", piece(2))] * 20)


def test_draws_do_as_the_training_pieces_did() -> None:
    drawn = MODEL.draw(outline(FORM, 14), "pop", np.random.default_rng(0))
    assert drawn[:2, BREATHS].tolist() == [BREATH_SILENT] * 2
    assert drawn[2:, BREATHS].tolist() == piece()[2:, BREATHS].tolist()
    assert drawn[10:, RETURNS].tolist() == [RETURN_EXACT] * 3 + [RETURN_FREE]
    assert MODEL.draw(outline(FORM, 14), "folk", np.random.default_rng(0))[3, BREATHS] == BREATH


def test_what_was_given_is_kept_and_lags_stay_inside() -> None:
    rng = np.random.default_rng(1)
    plans = [outline(FORM, 14) for _ in range(20)]
    for plan in plans:
        plan[3:5, REUSE] = 8  # as if there were a bar four bars before
    model = fit_outlines(("pop", plan) for plan in plans)
    for _ in range(20):
        drawn = model.draw(outline([("A", 0, 6)], 6), "pop", rng)
        base = outline([("A", 0, 6)], 6)
        kept = [number for number in range(len(COLUMNS)) if number not in (RETURNS, REUSE, BREATHS)]
        np.testing.assert_array_equal(drawn[:, kept], base[:, kept])
        for bar, value in enumerate(drawn[:, REUSE]):
            lag = (0, 1, 2, 4, 8)[(value - 2) % 4 + 1] if value >= 2 else 0
            assert lag <= bar
        assert drawn[-1, BREATHS] == BREATH


@pytest.mark.parametrize("column", ["returns", "reuse", "breath"])
def test_shares_add_up_also_for_what_was_never_seen(column: str) -> None:
    for style in ("pop", "none of them", ""):
        shares = MODEL.probabilities(style, column, [(9, 9, 9), (9,), ()])
        assert shares.sum() == pytest.approx(1)
        assert (shares >= 0).all()


def test_the_same_state_gives_the_same_plan() -> None:
    one, other = (MODEL.draw(outline(FORM, 14), "pop", np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_a_file_comes_back_and_a_damaged_one_is_said_in_one_line(tmp_path: object) -> None:
    back = outline_model_from_json(MODEL.to_json())
    drawn = [m.draw(outline(FORM, 14), "pop", np.random.default_rng(2)) for m in (MODEL, back)]
    np.testing.assert_array_equal(*drawn)
    for text in ("{", "[]", '{"format": 9, "counts": {}}', '{"format": 1, "counts": {"pop": {"breath": 3}}}'):
        with pytest.raises(UserError) as error:
            outline_model_from_json(text, "m/outline.json")
        assert str(error.value).startswith("m/outline.json: ")
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_outline_model(f"{tmp_path}/none.json")
