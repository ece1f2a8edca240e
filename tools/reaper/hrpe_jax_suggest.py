"""REAPER: suggestions for the selected MIDI item, on new takes.

Load this file as a ReaScript (Actions, Load ReaScript; REAPER's preferences must name a Python 3). Start the
studio (`python -m hrpe_jax.studio`), select a MIDI item that begins on a bar, and run the action. It sends
the item's notes to the studio as a MIDI file, asks for suggestions, and adds each as a take of the same
item, from a MIDI file beside the project. Nothing else is changed, and REAPER's undo takes the takes away.

Only Python's standard library is used, since REAPER brings no other.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

try:
    import reaper_python as reaper  # REAPER's own module; tests have a stand-in
except ImportError:
    reaper = None

FOLDER = os.path.expanduser(os.environ.get("HRPE_JAX_FOLDER", "~/hrpe_jax"))
DIVISION = 480
SECONDS = 300.0
CAPTIONS = "What (melody, both, rhythm, pitches, vary):,Bars (such as 5-8; empty for all):,How many (1 to 8):"


class Trouble(Exception):
    """What the user is told, in one line."""


def main() -> None:
    """The action."""
    try:
        count = run()
        reaper.RPR_ShowConsoleMsg(f"hrpe_jax: {count} takes added\n")
    except Trouble as trouble:
        reaper.RPR_ShowMessageBox(str(trouble), "hrpe_jax", 0)


def run() -> int:
    """Asks for suggestions, and adds them; returns how many."""
    item = reaper.RPR_GetSelectedMediaItem(0, 0)
    take = reaper.RPR_GetActiveTake(item) if item else None
    if not take or not reaper.RPR_TakeIsMIDI(take):
        raise Trouble("Select one MIDI item first.")
    notes = read_notes(take)
    if not notes:
        raise Trouble("The selected item has no notes.")
    answer = reaper.RPR_GetUserInputs("hrpe_jax", 3, CAPTIONS, "melody,,4", 200)
    if not answer[0]:
        return 0
    what, bars, count = [part.strip() for part in (answer[4] + ",,").split(",")[:3]]
    address, token = studio()
    data = midi_file(notes, float(reaper.RPR_Master_GetTempo()))
    project = call(address, token, "POST", "/api/import?name=reaper.mid", data)
    asked = {"kind": "suggest", "what": what or "melody", "count": number(count or "4"), **span(bars)}
    base = f"/api/projects/{project['id']}"
    job = call(address, token, "POST", f"{base}/jobs", json.dumps(asked).encode())
    while job["status"] in ("queued", "running"):
        job = call(address, token, "GET", f"{base}/jobs/{job['id']}")
    folder = reaper.RPR_GetProjectPath("", 2048)[0] or tempfile.gettempdir()
    reaper.RPR_Undo_BeginBlock()
    for index in range(len(job["candidates"])):
        query = urllib.parse.urlencode({"job": job["id"], "candidate": index})
        midi = call(address, token, "GET", f"{base}/export/mid?{query}", raw=True)
        add_take(item, folder, f"hrpe_jax-{job['id']}-{index + 1}.mid", midi)
    reaper.RPR_Undo_EndBlock("hrpe_jax: suggestions", -1)
    reaper.RPR_UpdateArrange()
    call(address, token, "DELETE", base)
    return len(job["candidates"])


def read_notes(take: Any) -> list[tuple[float, float, int, int]]:
    """(begin, end, pitch, velocity) of the notes of a take; quarter notes from the item's first bar."""
    count = reaper.RPR_MIDI_CountEvts(take, 0, 0, 0)[2]
    found = []
    for index in range(count):
        _, _, _, _, muted, start, end, _, pitch, velocity = reaper.RPR_MIDI_GetNote(
            take, index, 0, 0, 0, 0, 0, 0, 0
        )
        if not muted:
            begin = reaper.RPR_MIDI_GetProjQNFromPPQPos(take, start)
            found.append((begin, reaper.RPR_MIDI_GetProjQNFromPPQPos(take, end), int(pitch), int(velocity)))
    item = reaper.RPR_GetMediaItemTake_Item(take)
    zero = reaper.RPR_TimeMap2_timeToQN(0, reaper.RPR_GetMediaItemInfo_Value(item, "D_POSITION"))
    return sorted((a - zero, b - zero, p, v) for a, b, p, v in found if b > zero)


def midi_file(notes: list[tuple[float, float, int, int]], tempo: float) -> bytes:
    """A MIDI file of one track.

    Args:
        notes: see `read_notes`.
        tempo: quarter notes a minute.
    """
    events = []
    for begin, end, pitch, velocity in notes:
        on = max(0, round(begin * DIVISION))
        events.append((on, 1, bytes((0x90, pitch, max(1, min(127, velocity))))))
        events.append((max(on + 1, round(end * DIVISION)), 0, bytes((0x80, pitch, 0))))
    track = b"\x00\xff\x51\x03" + struct.pack(">I", round(60e6 / tempo))[1:]
    track += b"\x00\xff\x58\x04\x04\x02\x18\x08"
    now = 0
    for tick, _, message in sorted(events):
        track += _length(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, DIVISION) + b"MTrk" + struct.pack(">I", len(track)) + track


def _length(ticks: int) -> bytes:
    """A MIDI number of variable length."""
    groups = [ticks & 0x7F]
    while ticks := ticks >> 7:
        groups.append(0x80 | (ticks & 0x7F))
    return bytes(reversed(groups))


def add_take(item: Any, folder: str, name: str, midi: bytes) -> None:
    """Adds a take that plays a MIDI file."""
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(midi)
    take = reaper.RPR_AddTakeToMediaItem(item)
    reaper.RPR_SetMediaItemTake_Source(take, reaper.RPR_PCM_Source_CreateFromFile(path))
    reaper.RPR_GetSetMediaItemTakeInfo_String(take, "P_NAME", name, True)


def span(bars: str) -> dict[str, int]:
    """Bars such as "5-8" as the API has them."""
    if not bars:
        return {}
    first, _, last = bars.partition("-")
    return {"first": number(first), "last": number(last or first)}


def number(text: str) -> int:
    """A whole number that was typed."""
    if not text.strip().isdigit():
        raise Trouble(f"{text!r}: a number was expected, or bars such as 5-8.")
    return int(text)


def studio() -> tuple[str, str]:
    """(address, token) of the studio that runs."""
    try:
        with open(os.path.join(FOLDER, ".studio.json"), encoding="utf-8") as file:
            address, _, rest = json.load(file)["url"].partition("/?token=")
    except (OSError, ValueError, KeyError):
        raise Trouble("The studio does not run; start it with: python -m hrpe_jax.studio") from None
    return address, rest.partition("#")[0]


def call(
    address: str, token: str, method: str, path: str, body: bytes | None = None, raw: bool = False
) -> Any:
    """A request to the studio.

    Args:
        address: of the studio.
        token: of this run.
        method: GET, POST or DELETE.
        path: behind the address.
        body: its bytes.
        raw: whether the answer is a file.
    """
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(address + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            data = answer.read()
    except urllib.error.HTTPError as error:
        try:
            raise Trouble(json.load(error)["problem"]) from None
        except (ValueError, KeyError):
            raise Trouble(f"The studio answered {error.code}.") from None
    except OSError:
        raise Trouble("The studio does not answer; start it with: python -m hrpe_jax.studio") from None
    return data if raw else json.loads(data)


if __name__ == "__main__" and reaper is not None:
    main()
