"""The grammars: masks agree with `accepts`, and whatever is sampled from them is whole."""

from __future__ import annotations

import numpy as np
import pytest

from hrpe_jax.codec import backbone, melody
from hrpe_jax.codec import backbone_tokens as bt
from hrpe_jax.codec import melody_tokens as mt
from hrpe_jax.codec import vocabulary as mg
from hrpe_jax.codec.vocabulary import (
    accepts_backbone,
    accepts_melody,
    advance,
    backbone_mask,
    bar_length,
    melody_mask,
)
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.codec.scores import METERS

PREFIX = [bt.BOS, bt.key_id(Key(0, "major")), bt.meter_id(Meter(4, 4))]


def _walk_melody(
    generator: np.random.Generator, meter: Meter, short_bars: bool, steps: int
) -> tuple[list[int], list[int]]:
    """Tokens sampled uniformly over classes from the mask, and the bars' lengths."""
    mask = melody_mask(meter.bar_ticks, short_bars)
    state, clock, ids, bars = mg.STATE_START, 0, [], []
    while state != mg.STATE_END:
        allowed = np.flatnonzero(mask[state, clock])
        assert len(allowed), (state, clock)
        classes = np.unique(mt.CLASS_OF[allowed])
        if len(classes) > 1 and len(ids) < steps:
            classes = classes[classes != mt.CLASS_EOS]
        chosen = (
            generator.choice(classes) if len(ids) < steps or mt.CLASS_EOS not in classes else mt.CLASS_EOS
        )
        token = int(generator.choice(allowed[mt.CLASS_OF[allowed] == chosen]))
        if token in (mt.BAR, mt.EOS) and state != mg.STATE_BOS:
            bars.append(int(bar_length(state, clock, meter.bar_ticks)))
        state, clock = (int(value) for value in advance(state, clock, token))
        ids.append(token)
    return ids, bars


@pytest.mark.parametrize("short_bars", [False, True])
def test_melodies_sampled_from_the_mask_are_accepted_and_their_bars_are_full(short_bars: bool):
    generator = np.random.default_rng(0)
    for number in range(150):
        meter = METERS[number % len(METERS)]
        ids, bars = _walk_melody(generator, meter, short_bars, 80)
        assert accepts_melody(ids, meter, short_bars=short_bars) is None
        line = melody.decode(ids, meter)
        assert line.end == sum(bars)
        if not short_bars:
            assert set(bars) == {meter.bar_ticks}
            assert line.bar_resets == ()
        said = sum(mt.CLASS_OF[token] == mt.CLASS_PITCH for token in ids)
        assert len(line.notes) == said
        assert sum(note.duration for note in line.notes) == int(mt.DURATION[ids].sum())


def test_melody_mask_is_what_accepts_says_at_every_step():
    generator, meter = np.random.default_rng(1), Meter(3, 4)
    mask = melody_mask(meter.bar_ticks, True)
    for _ in range(5):
        ids, _ = _walk_melody(generator, meter, True, 25)
        state, clock = mg.STATE_START, 0
        for place, token in enumerate(ids):
            for other in range(mt.SIZE):
                said = accepts_melody([*ids[:place], other], meter)
                refused = said is not None and said.startswith(f"event {place}:")
                assert mask[state, clock, other] == (not refused)
            state, clock = (int(value) for value in advance(state, clock, token))


def test_no_allowed_melody_token_leads_into_a_dead_end():
    for meter in METERS:
        for short_bars in (False, True):
            mask = melody_mask(meter.bar_ticks, short_bars)
            reached, todo = {(mg.STATE_START, 0)}, [(mg.STATE_START, 0)]
            while todo:
                state, clock = todo.pop()
                allowed = np.flatnonzero(mask[state, clock])
                assert len(allowed), (meter, state, clock)
                states, clocks = advance(np.full_like(allowed, state), np.full_like(allowed, clock), allowed)
                assert clocks.max() <= meter.bar_ticks
                for following in set(zip(states.tolist(), clocks.tolist(), strict=True)) - reached:
                    reached.add(following)
                    todo.append(following)
            assert {state for state, _ in reached} >= set(range(mg.STATES)) - {mg.STATE_DUR_MAX}


@pytest.mark.parametrize(
    ("ids", "why"),
    [
        ([], "ends without EOS"),
        ([mt.BOS], "ends without EOS"),
        ([mt.BOS, mt.EOS], "event 1: EOS"),
        ([mt.BOS, mt.BAR, 60, 60], "event 3: PITCH 60"),
        ([mt.BOS, mt.BAR, mt.duration_id(12)], "event 2: DUR 12"),
        (
            [mt.BOS, mt.BAR, 60, mt.duration_id(24), mt.BAR],
            "event 4: BAR may not come at tick 24 of a 4/4 bar",
        ),
        ([mt.BOS, mt.BAR, mt.REST, mt.position_id(48)], "event 3: POS 48"),
        ([mt.BOS, 260], "event 1: 260 is no melody token"),
        ([mt.BOS, mt.BAR, mt.REST, mt.EOS, mt.BAR], "event 4: BAR"),
    ],
)
def test_melody_violations_are_named(ids: list[int], why: str):
    assert why in str(accepts_melody(ids, Meter(4, 4), short_bars=False))


def test_chords_sampled_from_the_mask_are_accepted_and_end_on_the_bar_line():
    generator = np.random.default_rng(2)
    for bars in range(1, 40):
        ids, left = list(PREFIX), bars * 4
        while ids[-1] != bt.EOS:
            allowed = np.flatnonzero(backbone_mask(ids[-1], beats_left=left))
            if generator.random() < 0.3:  # stay on the harmony where that is allowed
                same = allowed[bt.HARMONY[allowed] == bt.HARMONY[ids[-1]]]
                allowed = same if len(same) and left else allowed
            ids.append(int(generator.choice(allowed)))
            left -= int(bt.BEATS[ids[-1]])
        assert accepts_backbone([*ids, bt.PAD], beats=bars * 4) is None
        score = backbone.decode(ids)
        assert score.end == bars * 48
        assert backbone.encode_ids(score) == ids


def test_backbone_mask_is_what_accepts_says():
    generator = np.random.default_rng(3)
    chord = bt.CHORD0 + 8 * 4 * 37
    for previous in (
        PREFIX[0],
        PREFIX[1],
        PREFIX[2],
        bt.NO_CHORD0 + 7,
        bt.NO_CHORD0 + 2,
        chord + 7,
        chord + 1,
    ):
        history = PREFIX[: PREFIX.index(previous) + 1] if previous in PREFIX else [*PREFIX, previous]
        some = np.concatenate(
            [np.arange(bt.CHORD0), generator.integers(0, bt.SIZE, 200), np.arange(chord, chord + 8)]
        )
        mask = backbone_mask(np.array([previous, previous]), beats_left=np.array([9, 3]))
        open_end = backbone_mask(previous, beats_to_bar=np.array(0))
        for token in some.tolist():
            refused = str(accepts_backbone([*history, token])).startswith(f"event {len(history)}:")
            assert open_end[token] == (not refused)
            assert mask[0, token] == (not refused and token != bt.EOS)
            assert mask[1, token] == (not refused and token != bt.EOS and bt.BEATS[token] <= 3)


def test_the_end_may_be_tied_to_bar_lines():
    chord = bt.CHORD0 + 3
    assert not backbone_mask(chord, beats_to_bar=2)[bt.EOS]
    assert backbone_mask(chord, beats_to_bar=0)[bt.EOS]
    assert backbone_mask(chord)[bt.EOS]


@pytest.mark.parametrize(
    ("ids", "why"),
    [
        ([], "ends? without EOS"),
        ([*PREFIX, bt.CHORD0, bt.CHORD0 + 1, bt.EOS], "event 4: .*repeats"),
        ([*PREFIX, bt.CHORD0 + 3 * 8, bt.EOS], "event 3: .*inversion"),
        ([bt.BOS, bt.KEY0, bt.meter_id(Meter(18, 2)), bt.EOS], "event 2: .*meter"),
        ([*PREFIX, bt.EOS], "event 3: .*may not follow"),
        ([bt.KEY0], "event 0: .*BOS"),
        ([bt.BOS, -3], "event 1: -3 is no backbone token"),
    ],
)
def test_backbone_violations_are_named(ids: list[int], why: str):
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(accepts_backbone(ids))


def test_a_wrong_length_is_a_violation():
    ids = [*PREFIX, bt.CHORD0 + 7, bt.EOS]
    assert accepts_backbone(ids, beats=8) is None
    assert "7 beats" not in str(accepts_backbone(ids, beats=12))
    assert "12 were asked for" in str(accepts_backbone(ids, beats=12))
    assert "4 were asked for" in str(accepts_backbone(ids, beats=4))


def test_the_masks_gather_inside_jit():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    mask = jnp.asarray(melody_mask(48, False))

    @jax.jit
    def step(state, clock, token):
        following, now = advance(state, clock, token, jnp)
        return mask[following, now], backbone_mask(
            jnp.array([1, 107]), jnp.array([4, 4]), jnp.array([0, 0]), jnp
        )

    allowed, chords = step(jnp.array([mg.STATE_BOS]), jnp.array([0]), jnp.array([mt.BAR]))
    assert (np.asarray(allowed[0]) == melody_mask(48, False)[mg.STATE_BAR, 0]).all()
    assert (np.asarray(chords) == backbone_mask(np.array([1, 107]), np.array([4, 4]), np.array([0, 0]))).all()
