"""The token tables in closed form agree with loops over the layout."""

from __future__ import annotations

import numpy as np
import pytest

from hrpe_jax.codec import backbone_tokens as bt
from hrpe_jax.codec import melody_tokens as mt
from hrpe_jax.codec import vocabulary
from hrpe_jax.theory.chord import QUALITIES, coarse_quality
from hrpe_jax.theory.function import function_code
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def _all_events():
    token = bt.NO_CHORD0
    for beats in range(1, 9):
        yield token, None, None, 0, beats
        token += 1
    for root in range(12):
        for quality in QUALITIES:
            for inversion in range(4):
                for beats in range(1, 9):
                    yield token, root, quality, inversion, beats
                    token += 1
    assert token == bt.SIZE == 12395


def test_backbone_tables_say_what_the_layout_says():
    for token, root, quality, inversion, beats in _all_events():
        assert bt.KIND[token] == bt.KIND_EVENT
        assert bt.BEATS[token] == beats
        assert bt.HARMONY[token] == token - (beats - 1)
        assert bt.INVERSION[token] == inversion
        if quality is None:
            codes = (0, bt.NO_QUALITY, bt.NO_QUALITY_CODE)
        else:
            codes = (root, QUALITIES.index(quality), coarse_quality(quality))
        assert (bt.ROOT[token], bt.QUALITY[token], bt.QUALITY_CODE[token]) == codes
        chord = bt.id_chord(token)
        assert (chord.is_none, chord.root) == (quality is None, root or 0)
        assert not bt.VALID[token] or bt.chord_id(chord, beats) == token


def test_specials_keys_and_meters_have_no_chord():
    prefix = slice(0, bt.NO_CHORD0)
    assert bt.KIND[:3].tolist() == [bt.KIND_PAD, bt.KIND_BOS, bt.KIND_EOS]
    assert (bt.QUALITY_CODE[prefix] == 9).all()
    assert not bt.ROOT[prefix].any()
    assert not bt.BEATS[prefix].any()
    assert not bt.HARMONY[prefix].any()
    for index in range(24):
        assert bt.key_id(Key.from_index(index)) == bt.KEY0 + index
    for numerator in range(1, 19):
        for denominator in (2, 4, 8, 16):
            meter = Meter(numerator, denominator)
            token = bt.meter_id(meter)
            assert bt.KIND[token] == bt.KIND_METER
            assert bt.id_meter(token) == meter
            assert bt.VALID[token] == meter.is_supported


def test_function_table_is_the_function_of_every_chord_in_every_key():
    table = bt.function_table()
    assert table.shape == (24, bt.SIZE)
    assert (table[:, : bt.CHORD0] == bt.NO_FUNCTION_CODE).all()
    generator = np.random.default_rng(0)
    for token in generator.choice(np.arange(bt.CHORD0, bt.SIZE), 300, replace=False):
        for key in generator.choice(24, 4, replace=False):
            expected = function_code(bt.id_chord(int(token)), Key.from_index(int(key)))
            assert table[key, token] == expected


def test_transpose_table_moves_chords_and_keys_only():
    table = bt.transpose_table()
    assert table.shape == (12, bt.SIZE)
    assert (table[0] == np.arange(bt.SIZE)).all()
    assert (np.sort(table, axis=1) == np.arange(bt.SIZE)).all()
    for shift in range(12):
        assert (table[(12 - shift) % 12][table[shift]] == np.arange(bt.SIZE)).all()
    for token in np.random.default_rng(1).integers(bt.CHORD0, bt.SIZE, 300).tolist():
        chord = bt.id_chord(token)
        if bt.VALID[token]:
            assert bt.chord_id(chord.transpose(5), int(bt.BEATS[token])) == table[5, token]
    assert table[5, bt.key_id(Key.parse("Bb minor"))] == bt.key_id(Key.parse("Eb minor"))


def test_function_codes_do_not_change_when_key_and_chords_move_together():
    functions, table = bt.function_table(), bt.transpose_table()
    for shift in range(12):
        for key in range(24):
            moved = Key.from_index(key).transpose(shift).index
            np.testing.assert_array_equal(functions[moved, table[shift]], functions[key])


def test_melody_classes_cover_the_layout():
    assert mt.SIZE == 260
    names = [mt.token_name(token) for token in range(mt.SIZE)]
    assert len(set(names)) == mt.SIZE
    assert [names[i] for i in (0, 127, 128, 129, 130, 131, 132)] == [
        "PITCH 0",
        "PITCH 127",
        "PAD",
        "BOS",
        "EOS",
        "BAR",
        "REST",
    ]
    assert [names[i] for i in (133, 140, 141, 188, 189, 259)] == [
        "VEL 0",
        "VEL 7",
        "DUR 1",
        "DUR 48",
        "POS 1",
        "POS 71",
    ]
    assert mt.CLASS_OF[188] == mt.CLASS_DUR_MAX
    assert mt.CLOCK_ADD[mt.duration_id(7)] == 7
    assert mt.CLOCK_SET[mt.position_id(7)] == 7
    assert mt.CLOCK_SET[mt.BAR] == 0
    assert mt.CLOCK_SET[60] == -1
    for velocity in range(128):
        token = mt.velocity_id(velocity)
        assert mt.velocity_id(mt.id_velocity(token)) == token


def test_tables_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        bt.ROOT[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        bt.function_table()[0, 0] = 1


def test_vocabulary_hash_is_stable():
    """A change here means that shards and weights made before cannot be read: raise VERSION and say so."""
    assert vocabulary.VERSION == 1
    hashes = vocabulary.vocabulary_hashes()
    assert set(hashes) == {"backbone", "melody"}
    assert hashes["backbone"] != hashes["melody"]
    assert all(len(digest) == 16 for digest in hashes.values())
    with pytest.raises(ValueError, match="bass"):
        vocabulary.vocabulary_hash("bass")
