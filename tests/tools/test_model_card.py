"""The block of a README that is written from results."""

from __future__ import annotations

import pytest

from hrpe_jax.errors import UserError
from tests.tools.test_results import figures
from tools.release.model_card import MARK, front_page


def test_only_the_marked_block_is_written():
    from experiments.results.targets import THEORY

    found = figures({name: [0.0, 0.0, 4.0] for name in THEORY}, [0.0, 0.0, 1.0])
    found["pieces"]["asked"] = {"seed": "0"}
    row = {"nll": 1.0, "accuracy": 0.5, "chord_accuracy": 0.6}
    found["prediction"] = {"test": {"backbone": {"model": row, "songs": 3}}}
    page = front_page(f"before\n{MARK}\nold\n{MARK}\nafter\n", found)
    assert page.startswith(f"before\n{MARK}\n\n10 unselected pieces (seed 0)")
    assert page.endswith(f"{MARK}\nafter\n")
    assert "old" not in page
    assert "| backbone | test, 3 songs | model | 1.000 | 2.72 | 0.500 | 0.600 |" in page
    assert front_page(page, found) == page
    with pytest.raises(UserError, match="no two marks"):
        front_page("no marks", found)
