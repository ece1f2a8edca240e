"""The tools over MCP, called through the SDK's client in this process."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="needs the extra mcp")
from mcp import Client

from hrpe_jax.server.assistant import Assistant, build_server
from hrpe_jax.server.store import Store
from tests.server.fake import FakeComposer

TUNE = 'X:1\nM:4/4\nL:1/4\nQ:1/4=100\nK:C\n"C"CEGE|"F"FAcA|"G7"GBdB|"C"c4|"C"CEGE|"F"FAcA|"G7"GBdB|"C"c4|]\n'


def call(folder: Path, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """The results of calls, in order; an error is its text."""

    async def talk() -> list[Any]:
        found = []
        async with Client(build_server(Assistant(FakeComposer, Store(folder)))) as client:
            for name, arguments in calls:
                result = await client.call_tool(name, arguments)
                text = result.content[0].text if result.content else ""
                structured = result.structured_content or {}
                found.append(f"error: {text}" if result.is_error else structured.get("result", structured))
        return found

    return asyncio.run(talk())


def test_an_assistant_works_with_lead_sheets(tmp_path: Path):
    pieces, fresh, harmonies, measured, kept, listed = call(
        tmp_path,
        ("compose", {"chords": "C | Am | F | G7", "bars": 4, "count": 2}),
        ("suggest", {"sheet": TUNE, "first_bar": 3, "last_bar": 4, "what": "melody", "count": 3}),
        ("harmonise", {"sheet": TUNE}),
        ("evaluate", {"sheet": TUNE}),
        ("keep", {"sheet": TUNE, "title": "A tune"}),
        ("projects", {}),
    )
    assert [one["chords"] for one in pieces] == ["| C | Am | F | G7 |"] * 2
    assert all("K:C" in one["abc"] for one in pieces)
    assert len(fresh) == 3
    assert all(one["chords"].startswith("| C | F | G7 | C |") for one in fresh)
    assert len(harmonies) == 2
    assert measured["ctr"]["value"] == 1.0
    assert measured["ctr"]["direction"]
    assert [one["title"] for one in listed] == ["A tune"]
    again, text, midi, problem, nothing = call(
        tmp_path,
        ("read", {"sheet": kept["id"]}),
        ("render", {"sheet": kept["id"], "kind": "musicxml"}),
        ("render", {"sheet": TUNE, "kind": "mid"}),
        ("render", {"sheet": TUNE, "kind": "exe"}),
        ("suggest", {"sheet": "/etc/passwd", "first_bar": 1, "last_bar": 2}),
    )
    assert again["chords"].startswith("| C | F | G7 | C |")
    assert "<harmony" in text["text"]
    assert base64.b64decode(midi["base64"]).startswith(b"MThd")
    assert "expected one of" in problem
    assert nothing.startswith("error: ")
    assert "root" not in nothing


def test_the_tools_say_what_they_take(tmp_path: Path):
    async def listed() -> Any:
        async with Client(build_server(Assistant(FakeComposer, Store(tmp_path)))) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(listed())}
    assert {"compose", "suggest", "harmonise", "evaluate", "explain", "render"} <= set(tools)
    assert all(tool.description for tool in tools.values())
    assert tools["suggest"].input_schema["required"] == ["sheet", "first_bar", "last_bar"]
