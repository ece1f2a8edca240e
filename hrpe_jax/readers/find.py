"""Finding the songs of a folder that may hold anything, with an account of every file that is none.

A folder that is a POP909 song (NNN.mid with its label files) is one song; every other file is identified by
its content. Links are followed, each folder is entered once, and the order is that of the names.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hrpe_jax.errors import UserError, WrongUse
from hrpe_jax.readers.identify import FORMATS, identify

BUILT_IN = "chorales"
LABEL_FILES = ("chord_midi.txt", "beat_midi.txt")
"""Either of them makes a folder a POP909 song."""

_CHART = "salami_chords"  # every chart of Billboard has this name, in a folder that names the song


@dataclass(frozen=True, slots=True)
class SongFile:
    """A file (or folder) of songs that has been found and not yet been read.

    Attributes:
        id: unique among the files found together; the songs of a tune book are `id#tune`.
        format: one of FORMATS.
        path: its file or folder.
        name: the path as the user knows it, relative to what was given; always valid Unicode.
        tunes: which tunes of a book, from the first to before the second; all by default (see
            `readers.abc.book_parts`).
        style: of its songs, such as "folk"; "" where nobody says it.
        form: folder with people's labels of the form of a POP909 song; "" where there is none.
        crops: how many training pieces are cut from each of its songs (see `preprocessing.clean`).
    """

    id: str
    format: str
    path: str
    name: str
    tunes: tuple[int, int | None] = (0, None)
    style: str = ""
    form: str = ""
    crops: int = 0


@dataclass(frozen=True, slots=True)
class Passed:
    """A file that is no song: `reason` is "not_music", "other_format", "link_loop", "broken_link" ..."""

    name: str
    reason: str
    detail: str


@dataclass
class Found:
    """What a folder holds.

    Attributes:
        songs: to be read, sorted by name.
        passed: files and folders that were passed over, and why.
        companions: how many files belong to one of the songs: the label files of POP909.
        files: how many were seen: songs, companions and those passed over.
    """

    songs: list[SongFile] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    companions: int = 0

    @property
    def files(self) -> int:
        """How many files were seen in all; a POP909 song counts with its companions."""
        return len(self.songs) + len(self.passed) + self.companions


def find_songs(source: str | Path, format: str = "auto", *, skip: Sequence[Path] = ()) -> Found:
    """The songs of a folder, of a single file, or of the built-in corpus.

    Ids are file names without suffix (of a chart of Billboard, the folder's name) where these are unique,
    else paths without suffix, else paths.

    Args:
        source: a folder or file, or "chorales"; "" means "chorales" where that is the format.
        format: one of FORMATS, to read nothing else ("chorales" reads every MusicXML file as a four-voice
            setting; with "midi" POP909's songs are plain MIDI files), or "auto".
        skip: folders that are not entered, such as the one that is being made.

    Raises:
        UserError: if there is nothing, or nothing of that format.
    """
    if str(source) == BUILT_IN or (not str(source) and format == BUILT_IN):
        if format not in ("auto", BUILT_IN):
            raise WrongUse(
                f"--input={source} is a corpus of format {BUILT_IN}, not {format}; leave --format out"
            )
        return _built_in()
    root = Path(source)
    if not str(source):
        raise UserError(f"--input: expected a folder or file of songs, or the word {BUILT_IN}")
    if not root.exists():
        raise UserError(
            f"{source}: no such file or folder; expected songs, or the word {BUILT_IN} for a built-in corpus"
        )
    found = Found()
    if root.is_file() and format in ("auto", "pop909") and _is_song_folder(root.parent, root.name):
        root = root.parent
    if root.is_file():
        _add_file(found, str(root), show(root.name), format)
    else:
        _walk(found, root, format, {os.path.realpath(folder) for folder in skip})
    if not found.songs:
        wanted = (
            "POP909 songs (NNN/NNN.mid with chord_midi.txt), MIDI, MusicXML, ABC, Billboard charts, .lab, "
            "Humdrum, iReal Pro, ChordPro or text grids"
            if format == "auto"
            else format
        )
        raise UserError(f"{root}: no songs found{_passed_text(found)}; expected {wanted} in it")
    found.songs = _with_ids(found.songs)
    return found


def find_inputs(sources: Sequence[str | Path], format: str = "auto", *, skip: Sequence[Path] = ()) -> Found:
    """The songs of several inputs, together.

    One input is read as `find_songs` reads it. Of several, each is a folder of the whole: songs are
    "INPUT/..." in id and name, so that ids stay unique and do not depend on what else is read.

    Args:
        sources: each a path, "chorales", or "NAME=PATH" where the last part of the path does not tell the
            inputs apart or says little.
        format: see `find_songs`.
        skip: see `find_songs`.

    Raises:
        UserError: see `find_songs`, or two inputs have the same name.
    """
    named = [_named(source) for source in sources]
    if len(named) == 1:
        return find_songs(named[0][1], format, skip=skip)
    whole = Found()
    taken: dict[str, str | Path] = {}
    for (name, path), source in zip(named, sources, strict=True):
        if name in taken:
            raise WrongUse(
                f"--input={source}: named {name}, as is --input={taken[name]}; name one with "
                f"--input=NAME={path}"
            )
        taken[name] = source
        found = find_songs(path, format, skip=skip)
        whole.songs += [replace(s, id=f"{name}/{s.id}", name=f"{name}/{s.name}") for s in found.songs]
        whole.passed += [replace(file, name=f"{name}/{file.name}") for file in found.passed]
        whole.companions += found.companions
    whole.songs.sort(key=lambda song: os.fsencode(song.name))
    return whole


def _named(source: str | Path) -> tuple[str, str | Path]:
    """The name and the path of an input, given as "PATH" or "NAME=PATH"."""
    name, equals, path = str(source).partition("=")
    if equals and name and "/" not in name and not os.path.exists(source):
        return show(name), path
    full = Path(os.path.abspath(source))
    return show(full.stem if full.is_file() else full.name), source


def show(name: str | os.PathLike[str]) -> str:
    r"""A file name, or any text, as every encoding of Unicode can write it: what is no text becomes \xNN."""
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return os.fspath(name).encode("utf-8", "backslashreplace").decode()


def _passed_text(found: Found) -> str:
    reasons = Counter(file.reason for file in found.passed)
    return (
        f" ({', '.join(f'{count} {reason}' for reason, count in reasons.most_common(4))})" if reasons else ""
    )


def _built_in() -> Found:
    from hrpe_jax.readers.chorales import list_chorales

    files, skipped = list_chorales()
    songs = [SongFile("", BUILT_IN, str(path), path.name) for path in files]
    return Found(_with_ids(songs), [Passed(path.name, "not_music", detail) for path, _, detail in skipped])


def _walk(found: Found, root: Path, format: str, skip: set[str]) -> None:
    """Adds all that is below `root`, depth first; folders are told apart by what they are, not by name."""
    entered: set[tuple[int, int]] = set()
    waiting = [(root, "")]
    while waiting:
        folder, name = waiting.pop()
        try:
            about = folder.stat()
            if (about.st_dev, about.st_ino) in entered:
                found.passed.append(Passed(name, "link_loop", "this folder was read under another name"))
                continue
            entered.add((about.st_dev, about.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            found.passed.append(Passed(name or show(folder), "unreadable_folder", reason))
            continue
        files = [entry for entry in entries if not _is_folder(entry)]
        if format in ("auto", "pop909") and _is_song(folder.name, {entry.name for entry in files}):
            label = name or show(folder.name)
            found.songs.append(SongFile("", "pop909", str(folder), label))
            found.companions += max(0, len(files) - 1)
            found.passed += _versions(entries, name)
            continue
        for entry in files:
            _add_file(found, entry.path, f"{name}/{show(entry.name)}".lstrip("/"), format)
        for entry in reversed([entry for entry in entries if _is_folder(entry)]):
            below = f"{name}/{show(entry.name)}".lstrip("/")
            if entry.name.startswith("."):
                found.passed.append(Passed(below, "hidden_folder", "its name begins with a dot"))
            elif skip and os.path.realpath(entry.path) in skip:
                found.passed.append(Passed(below, "output_folder", "it is what is being made"))
            else:
                waiting.append((Path(entry.path), below))
    found.songs.sort(key=lambda song: os.fsencode(song.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_song_folder(folder: Path, file: str) -> bool:
    """Whether a file is the MIDI file, or a label file, of a POP909 song."""
    if file not in (f"{folder.name}.mid", *LABEL_FILES):
        return False
    return _is_song(folder.name, {entry.name for entry in os.scandir(folder)})


def is_song_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is one song of POP909; looks at nothing below it."""
    try:
        with os.scandir(path) as entries:
            return _is_song(Path(path).resolve().name, {entry.name for entry in entries})
    except OSError:
        return False


def _is_song(folder: str, files: set[str]) -> bool:
    """Whether a folder is, or was meant to be, a POP909 song; the reader says what is missing in one."""
    if not files.intersection(LABEL_FILES):
        return False
    return f"{folder}.mid" in files or sum(file.endswith(".mid") for file in files) <= 1


def _versions(entries: Sequence[os.DirEntry[str]], name: str) -> Iterator[Passed]:
    """Folders in a song's folder: POP909 keeps other arrangements of the song there, which would leak."""
    for entry in entries:
        if _is_folder(entry):
            detail = "other versions of the song beside it are not read"
            yield Passed(f"{name}/{show(entry.name)}".lstrip("/"), "pop909_versions", detail)


def _add_file(found: Found, path: str, name: str, format: str) -> None:
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            found.passed.append(Passed(name, "not_a_file", "a pipe, socket or device"))
            return
        kind = identify(path)
    except OSError as error:
        reason = "broken_link" if os.path.islink(path) else "unreadable_file"
        found.passed.append(Passed(name, reason, error.strerror or type(error).__name__))
        return
    if kind == "musicxml" and format == "chorales":
        kind = format
    if not kind:
        found.passed.append(Passed(name, "not_music", "its content is none of the formats that are read"))
    elif format not in ("auto", kind):
        found.passed.append(Passed(name, "other_format", f"it is {kind}; --format={format} was asked for"))
    else:
        found.songs.append(SongFile("", kind, path, name))


def _with_ids(songs: Sequence[SongFile]) -> list[SongFile]:
    """Gives every file its id."""
    ids: list[str] = []
    for name_of in (_short_id, _path_id, lambda song: song.name):
        ids = [name_of(song) for song in songs]
        if len(set(ids)) == len(ids):
            break
    used: Counter[str] = Counter()
    named = []
    for song, name in zip(songs, ids, strict=True):
        used[name] += 1  # two names may look alike once their bytes are text
        named.append(replace(song, id=name if used[name] == 1 else f"{name}~{used[name]}"))
    return named


def _short_id(song: SongFile) -> str:
    path = song.name.rpartition("/")[2] if song.format == "pop909" else Path(song.name).stem
    if song.format == "billboard" and path == _CHART:
        return Path(song.path).parent.name
    return path


def _path_id(song: SongFile) -> str:
    return song.name if song.format == "pop909" else str(Path(song.name).with_suffix(""))


__all__ = ["BUILT_IN", "FORMATS", "Found", "Passed", "SongFile", "find_inputs", "find_songs", "show"]
