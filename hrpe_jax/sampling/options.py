"""What can be asked of a piece, as it is given: the keywords of `Composer.compose` and the flags of `sample`.

A new option is a field here, a keyword of `Composer.compose` and `Composer.stream`, and a flag of
`hrpe_jax.sample`; a test holds the four equal. `controls.read_controls` checks the values.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from hrpe_jax.score.score import Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

DEFAULT_SILENT_BARS, DEFAULT_CANDIDATES = 1, 16


@dataclass(frozen=True, kw_only=True)
class ComposeOptions:
    """Options of a composition. None leaves the choice to the model, or to what else is given.

    Attributes:
        num_pieces: how many pieces, 1 to 10,000.
        bars: 1 to 10,000, not counting a continued prime. None: as `chords` or `form` have, else 16.
        key: such as "Eb major" or "C#m". None: the key of `chords` or the prime, else the model's choice.
        mode: "major" or "minor", in a key that the model chooses or on the tonic of `key`.
        meter: such as "6/8". None: 4/4 with `chords`, that of the prime, else the model's choice.
        tempo: 20 to 400 quarter notes a minute. None: that of the prime, else as in songs of the style.
        chords: such as "| Am7 D7 | Gmaj7 | C:maj/3 ? | ii V I |"; the model fills `?`. See `chord_input`.
        form: sections that come again, such as "AABA", "AA'BA'" or "A8B4A8", see `form`.
        prime: a score, or a file that `hrpe_jax.read_score` reads, to continue or to take chords from.
        prime_use: "continue", or "chords" for a new melody over the prime's chords.
        stage: "both", "backbone" (chords alone) or "melody" (over given chords).
        seed: 0 to 2**32 - 1; the same seed gives the same pieces.
        temperature: logits are divided by it; above 0, lower is safer.
        temperature_backbone: `temperature` of the chords. None: `temperature`.
        temperature_melody: `temperature` of the melody. None: `temperature`.
        top_k: draw among the k most likely tokens; 0 for all.
        top_k_backbone: `top_k` of the chords. None: `top_k`.
        top_k_melody: `top_k` of the melody. None: `top_k`.
        top_p: draw among the most likely tokens that sum to p. None: 0.98 (chords), 0.95 (melody).
        top_p_backbone: `top_p` of the chords. None: `top_p`.
        top_p_melody: `top_p` of the melody. None: `top_p`.
        repetition_penalty: divides the chance of the last eight pitches and chords; 1 for none.
        repetition_penalty_backbone: `repetition_penalty` of the chords. None: `repetition_penalty`.
        repetition_penalty_melody: `repetition_penalty` of the melody. None: `repetition_penalty`.
        silent_bars: whole bars in a row in which the melody may be silent, 0 or more.
        candidates: progressions to choose from, by how they lead into given chords or the end; 1 to 64.
        style: such as "pop" or "folk", one that the model knows. None: its usual one.
        range: lowest and highest note of the melody, such as "A3-E5". None: as in songs of the style.
        density: notes a bar, where the melody sounds. None: as in songs of the style.
        intro: bars without a melody before it begins.
    """

    num_pieces: int = 4
    bars: int | None = None
    key: Key | str | None = None
    mode: str | None = None
    meter: Meter | str | None = None
    tempo: float | None = None
    chords: str | None = None
    form: str | None = None
    prime: Score | str | os.PathLike[str] | None = None
    prime_use: str = "continue"
    stage: str = "both"
    seed: int = 0
    temperature: float = 1.0
    temperature_backbone: float | None = None
    temperature_melody: float | None = None
    top_k: int = 0
    top_k_backbone: int | None = None
    top_k_melody: int | None = None
    top_p: float | None = None
    top_p_backbone: float | None = None
    top_p_melody: float | None = None
    repetition_penalty: float = 1.0
    repetition_penalty_backbone: float | None = None
    repetition_penalty_melody: float | None = None
    silent_bars: int = DEFAULT_SILENT_BARS
    candidates: int = DEFAULT_CANDIDATES
    style: str | None = None
    range: str | None = None
    density: float | None = None
    intro: int = 0
