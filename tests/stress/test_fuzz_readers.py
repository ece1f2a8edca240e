from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from hrpe_jax.utils.cli import run
from tests.preprocessing.songs import write_songs

STRESS = Path(__file__).resolve().parent
ABC = 'X:{0}\nT:Tune {0}\nM:4/4\nL:1/8\nK:G\n"G"G2B2 d2B2|"C"c2e2 g2e2|"D7"d2f2 a2f2|"G"g8|\n\n'


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(STRESS))
    import fuzz_readers

    return fuzz_readers


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = write_songs(tmp_path / "songs", 2)
    (folder / "book.abc").write_text("".join(map(ABC.format, range(1, 7))))
    return folder


def test_the_same_number_is_the_same_mutation(fuzz: ModuleType, songs: Path, tmp_path: Path) -> None:
    files = fuzz.sources(songs, fuzz.KINDS)
    assert set(files) == {"midi", "abc", "lab", "pop909"}
    seen = set()
    for number in (3, 4):
        made = []
        for room in ("a", "b"):
            (tmp_path / f"{room}{number}").mkdir()
            song = fuzz.make("midi", number, 0, files["midi"], tmp_path / f"{room}{number}")
            made.append(Path(song.path).read_bytes())
        assert made[0] == made[1]
        seen.add(made[0])
    assert len(seen) == 2


def test_every_mutation_takes_any_bytes(fuzz: ModuleType) -> None:
    mutations = sys.modules["fuzz_mutations"]
    data = [b"", b"x", bytes(range(256)), ABC.encode(), mutations.pack([("a.xml", b"<x>1</x>")])]
    for kind, known in mutations.OF_KIND.items():
        for number, mutation in enumerate({*known, mutations.damage_archive}):
            for one in data:
                assert isinstance(mutation(one, data[number % 5], Random(number)), bytes), (kind, mutation)
        assert len(mutations.mutate(kind, data[-1], data[-1], Random(1))) <= mutations.MAX_BYTES


def test_events_of_a_track_are_its_bytes(fuzz: ModuleType) -> None:
    mutations = sys.modules["fuzz_mutations"]
    track = b"\0\xff\x51\x03\x07\xa1\x20\0\x90\x3c\x40\x83\x60\x3c\0\0\xc0\x01\0\xff\x2f\0"
    assert [len(event) for event in mutations.events(track)] == [7, 4, 4, 3, 4]
    assert b"".join(mutations.events(track[:-7])) == track[:-7]


def test_findings_are_kept_and_named(
    fuzz: ModuleType, songs: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    good = fuzz.SongFile("book", "abc", str(songs / "book.abc"), "book.abc")
    outcome = fuzz.read(good)
    assert (outcome.reasons, outcome.wrong) == ({"ok": 6}, [])

    def broken(song: object) -> None:
        raise KeyError("a slip")

    monkeypatch.setattr("hrpe_jax.preprocessing.prepare.read_songs", broken)
    monkeypatch.setattr(fuzz, "read_songs", broken)
    outcome = fuzz.read(good)
    assert outcome.reasons == {"error_KeyError": 1}
    assert "a slip" in outcome.wrong[0]
    log = fuzz.Log(tmp_path / "keep", {"seed": 0})
    log.add("abc", good, outcome)
    log.save()
    assert (tmp_path / "keep" / "book.abc").read_bytes() == (songs / "book.abc").read_bytes()
    assert "book.abc" in (tmp_path / "keep" / "findings.jsonl").read_text()
    assert fuzz.Log(tmp_path / "keep", {"seed": 0}).state["findings"] == 1
    assert fuzz.Log(tmp_path / "keep", {"seed": 1}).state["findings"] == 0


def test_a_run_goes_on_where_it_was(
    fuzz: ModuleType, songs: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    # In this process: the guarded ones are tested in tests/preprocessing/test_pool.py.
    monkeypatch.setattr(fuzz, "map_files", lambda function, items, **_: enumerate(map(function, items)))
    for per_kind, done in ((5, 5), (8, 3)):
        begun = []
        monkeypatch.setattr(
            fuzz, "make", lambda *a, begun=begun, make=fuzz.make: begun.append(a[1]) or make(*a)
        )
        options = [f"--input={songs}", f"--per_kind={per_kind}", "--kinds=abc", f"--keep={tmp_path / 'keep'}"]
        assert run(fuzz.main, fuzz.parser(), [*options, "--no_hostile"]) == 0
        assert len(begun) == done
    assert '"mutations": 8' in capsys.readouterr().out


def test_hostile_files_have_unique_names(fuzz: ModuleType) -> None:
    hostile = sys.modules["fuzz_hostile"]
    names = [name for part in (hostile.abc_files, hostile.text_files) for name, _ in part()]
    assert len(set(names)) == len(names)
    assert sum(len(data) for _, data in hostile.midi_files()) < 30_000_000
