"""The melody codec: a melody as a clock over the bar, each event with its chord, and back.

    BAR              a bar begins; the clock is 0
    VEL v            the bar's mean velocity falls in another bin than that of the last bar with notes
    PITCH p DUR d    a note where the clock stands; the clock moves on by d
    DUR d            right after BAR (or its VEL): the note before the bar line is tied over and lasts d more;
                     right after DUR 48: the rest of a part longer than that
    REST POS t       silence until tick t of the bar
    REST BAR         silence to the end of a full bar (also REST EOS)
    BAR (EOS) early  the bar is cut short where the clock stands: a bar reset (REST POS t BAR: after silence)

The melody covers the same bars as the chords.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hrpe_jax.codec import backbone, backbone_tokens
from hrpe_jax.codec.backbone import Harmony, harmony_of_beats
from hrpe_jax.codec.melody_tokens import (
    BAR,
    BOS,
    DUR0,
    EOS,
    MAX_DURATION,
    PITCHES,
    POS0,
    REST,
    SIZE,
    VEL0,
    id_velocity,
    velocity_id,
)
from hrpe_jax.score.form import Section, form_values
from hrpe_jax.score.score import BeatGrid, Note, Score, bar_spans
from hrpe_jax.theory.meter import Meter


def decode_piece(
    backbone_ids: Iterable[int],
    melody_ids: Iterable[int],
    *,
    tempo_bpm: float = 120.0,
    id: str = "",
    title: str = "",
    form: Iterable[Section] = (),
) -> Score:
    """The score that a backbone sequence and a melody sequence over it say. Never raises on any integers.

    Key and meter are those of the backbone, the bars (short ones too) those of the melody.

    Args:
        backbone_ids: tokens of the chords.
        melody_ids: tokens of the melody.
        tempo_bpm: quarter notes a minute.
        id: the score's id.
        title: the score's title.
        form: its sections; those beyond the last bar are left out.
    """
    backbone_ids = list(backbone_ids)
    _, meter = backbone.prefix_of(backbone_ids)
    line = decode(melody_ids, meter)
    return backbone.decode(
        backbone_ids,
        bar_resets=line.bar_resets,
        melody=line.notes,
        tempo_bpm=tempo_bpm,
        id=id,
        title=title,
        form=form,
    )


def encode_ids(score: Score) -> list[int]:
    """The whole token sequence of a score's melody, BOS to EOS."""
    return _events(score)[0]


def bar_starts_of_events(score: Score) -> list[int]:
    """The tick at which the bar of each of a score's melody tokens begins, BOS to EOS (BOS: 0)."""
    return _events(score)[2]


def _events(score: Score) -> tuple[list[int], list[int], list[int]]:
    """Tokens, the clock after each, and the tick at which each one's bar begins (BOS: 0)."""
    notes, full = score.melody, score.meter.bar_ticks
    ids, clocks, starts = [BOS], [0], [0]
    index, tied, velocity = 0, 0, -1
    for start, length in bar_spans(score):
        stop, first = start + length, index
        while index < len(notes) and notes[index].onset < stop:
            index += 1
        ids.append(BAR)
        clocks.append(0)
        if index > first:
            louder = velocity_id(sum(note.velocity for note in notes[first:index]) // (index - first))
            if louder != velocity:
                velocity = louder
                ids.append(velocity)
                clocks.append(0)
        clock = min(tied, length)
        tied -= clock
        if clock:
            _add_duration(ids, clocks, 0, clock)
        for note in notes[first:index]:
            onset = note.onset - start
            if onset > clock:
                ids += (REST, POS0 - 1 + onset)
                clocks += (clock, onset)
            ids.append(note.pitch)
            clocks.append(onset)
            here = min(note.duration, length - onset)
            tied = note.duration - here
            _add_duration(ids, clocks, onset, here)
            clock = onset + here
        if clock < length:
            ids.append(REST)
            clocks.append(clock)
            if length < full:
                ids.append(POS0 - 1 + length)
                clocks.append(length)
        starts += [start] * (len(ids) - len(starts))
    ids.append(EOS)
    clocks.append(clocks[-1])
    starts.append(starts[-1])
    return ids, clocks, starts


def _add_duration(ids: list[int], clocks: list[int], clock: int, ticks: int) -> None:
    if ticks > MAX_DURATION:
        ids.append(DUR0 - 1 + MAX_DURATION)
        clocks.append(clock + MAX_DURATION)
        clock, ticks = clock + MAX_DURATION, ticks - MAX_DURATION
    ids.append(DUR0 - 1 + ticks)
    clocks.append(clock + ticks)


def encode(score: Score, beats: tuple[BeatGrid, np.ndarray] | None = None) -> dict[str, Any]:
    """The record of a score's melody over its chords: the whole song.

    Everything about "event i" is what holds at the clock after it, where event i + 1 begins, since that is
    what the model may know when it says event i + 1.

    Args:
        score: any score.
        beats: what `backbone.harmony_of_beats(score)` returned, where it is at hand.

    Returns:
        `id`, `metadata`, `event_ids` and, per event, `conditioning_chord_ids` (one-beat tokens of the
        backbone), `conditioning_root_pc`, `conditioning_quality_code`, `conditioning_function_code`,
        `next_chord_ids`, `ticks_to_next` (0 < ticks <= 95) and `bar_phase` (the clock, 0..72 ticks); and
        `form`, a list of [letter, first bar, bars], empty where it is not known. All are plain lists and
        values.
    """
    ids, clocks, starts = _events(score)
    harmony = Harmony.of_beats(*(harmony_of_beats(score) if beats is None else beats))
    now, following, ticks_to_next = harmony.at(np.array(starts) + clocks)
    return {
        "id": score.id,
        "metadata": {
            "key_signature_root": score.key.tonic,
            "key_signature_mode": score.key.mode,
            "time_signature_num": score.meter.numerator,
            "time_signature_den": score.meter.denominator,
            "tempo_bpm": score.tempo_bpm,
        },
        "event_ids": ids,
        "conditioning_chord_ids": now.tolist(),
        "conditioning_root_pc": backbone_tokens.ROOT[now].tolist(),
        "conditioning_quality_code": backbone_tokens.QUALITY_CODE[now].tolist(),
        "conditioning_function_code": backbone_tokens.function_table()[score.key.index, now].tolist(),
        "next_chord_ids": following.tolist(),
        "ticks_to_next": ticks_to_next.tolist(),
        "bar_phase": clocks,
        "form": form_values(score.form),
    }


@dataclass(frozen=True)
class Melody:
    """What melody tokens say.

    Attributes:
        notes: sorted, not overlapping.
        bar_resets: ticks at which a bar was cut short, the end of the last bar included.
        end: the tick behind the last bar.
    """

    notes: tuple[Note, ...]
    bar_resets: tuple[int, ...]
    end: int


def decode(ids: Iterable[int], meter: Meter) -> Melody:
    """The notes that melody tokens say. Never raises on any sequence of integers.

    Tokens are read in order up to EOS. What the grammar does not allow is bent or passed over: a note is cut
    at the end of its bar, a pitch without duration and a position that lies behind are dropped, a duration
    without a note is silence, a bar without events is silent to its end, and so is one that the sequence
    breaks off in.
    """
    full = meter.bar_ticks
    notes: list[list[int]] = []  # onset, duration, pitch, velocity
    resets: list[int] = []
    start = clock = 0
    velocity, pitch, previous, in_bar = 80, -1, BOS, False
    for token in map(int, ids):
        if not 0 <= token < SIZE:
            continue
        if token in (BAR, EOS):
            if in_bar:
                length = full if previous == REST or clock == 0 else clock
                start, clock = start + length, 0
                if length < full:
                    resets.append(start)
            in_bar = token == BAR
            if not in_bar:
                break
        elif token < PITCHES:
            pitch = token
        elif VEL0 <= token < DUR0:
            velocity = id_velocity(token)
        elif token >= POS0:
            clock = max(clock, min(token - POS0 + 1, full))
        elif token >= DUR0:
            now, ticks = start + clock, min(token - DUR0 + 1, full - clock)
            goes_on = clock == 0 or previous == DUR0 - 1 + MAX_DURATION
            if ticks and pitch >= 0:
                notes.append([now, ticks, pitch, velocity])
            elif ticks and goes_on and notes and notes[-1][0] + notes[-1][1] == now:
                notes[-1][1] += ticks
            pitch, clock = -1, clock + ticks
        previous = token
        in_bar = in_bar or token not in (BOS, EOS)
    if in_bar:
        start += full
    line = tuple(Note(onset, ticks, pitch, velocity) for onset, ticks, pitch, velocity in notes)
    return Melody(line, tuple(resets), start)


def transpose_record(record: dict[str, Any], semitones: int) -> dict[str, Any]:
    """The record of the song so many semitones higher: equal to encoding the transposed score."""
    ids = np.asarray(record["event_ids"])
    table = backbone_tokens.transpose_table()[semitones % 12]
    now = table[np.asarray(record["conditioning_chord_ids"])]
    metadata = record["metadata"]
    return {
        **record,
        "metadata": {**metadata, "key_signature_root": (metadata["key_signature_root"] + semitones) % 12},
        "event_ids": np.where(ids < PITCHES, fold_pitch(ids + semitones), ids).tolist(),
        "conditioning_chord_ids": now.tolist(),
        "conditioning_root_pc": backbone_tokens.ROOT[now].tolist(),
        "next_chord_ids": table[np.asarray(record["next_chord_ids"])].tolist(),
    }


def fold_pitch(pitches: np.ndarray | Sequence[int]) -> np.ndarray:
    """Pitches, those outside 0..127 moved by octaves to the nearest inside, as `Score.transpose` does."""
    pitch = np.asarray(pitches)
    return np.where(pitch < 0, pitch % 12, np.where(pitch > 127, pitch - -(-(pitch - 127) // 12) * 12, pitch))
