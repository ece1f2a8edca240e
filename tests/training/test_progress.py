"""What a training says on stderr."""

from __future__ import annotations

import pytest

from hrpe_jax.training.progress import Progress, duration, fit

SPEED = {"events_per_second": 5123.4, "busy": 0.987}


def test_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("hrpe_jax.training.progress.time.monotonic", lambda: now[0])
    with Progress("melody", 10, 0) as shown:
        shown.advance(1)
        now[0] += 20
        shown.train(2, {"loss": 1.5, "accuracy": 0.25, "secret": 3.0, **SPEED})
        shown.train(3, {"loss": 1.4})  # too soon for another line
        shown.valid(4, {"loss": 1.25, "perplexity": 3.49}, True)
        shown.valid(4, {"loss": 1.25, "pitch_accuracy": 0.5, "accuracy": 0.25}, False, "pitch_accuracy")
        now[0] += 20
        shown.train(5, {"nll": 1.2, "loss": 9.0, "peak_share": 0.413})
        shown.train(10, {"loss": 1.2})
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "melody: step 2/10  loss 1.5  accuracy 0.250  5,123 tokens/s  device 99% busy  2:40 left",
        "melody: step 4/10  validation  loss 1.25  perplexity 3.49  (best)",
        "melody: step 4/10  validation  loss 1.25  pitch_accuracy 0.5  accuracy 0.250",
        "melody: step 5/10  nll 1.2  41% of peak  0:50 left",
    ]


def test_a_narrow_terminal_leaves_out_the_middle() -> None:
    parts = ["nll 2.346  accuracy 0.457", "5,123 tokens/s", "", "device 99% busy", "0:18 left"]
    whole = "nll 2.346  accuracy 0.457  5,123 tokens/s  device 99% busy  0:18 left"
    assert fit(parts, len(whole)) == whole
    assert fit(parts, len(whole) - 1) == "nll 2.346  accuracy 0.457  5,123 tokens/s  0:18 left"
    assert fit(parts, 40) == fit(parts, 3) == "nll 2.346  accuracy 0.457  0:18 left"


def test_times_for_people() -> None:
    assert [duration(s) for s in (0.4, 7, 59.6, 754, 11045)] == ["0:00", "0:07", "1:00", "12:34", "3:04:05"]
