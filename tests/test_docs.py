"""The documents hold together: links lead somewhere, and the README begins with its two commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "experiments/**/*.md", "hrpe_jax/**/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")


def _prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(path: Path) -> set[str]:
    """What GitHub makes of the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", _prose(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for match in LINK.finditer(_prose(path.read_text(encoding="utf-8"))):
        target, _, anchor = (match[1] or match[2]).partition("#")
        if "://" in target:
            continue
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{path.name}: {match[0]} leads nowhere"
        if anchor and found.suffix == ".md":
            assert anchor in _anchors(found), f"{path.name}: {match[0]}: no such heading"


def test_the_two_commands_come_first() -> None:
    """A newcomer's script, and .ci/run, take the first fenced bash blocks."""
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks[0] == "pip install -e '.[corpus]'\npython -m hrpe_jax.train\n"
    assert blocks[1].splitlines()[0] == "pip install -e '.[test]'"
    assert blocks[1].splitlines()[1].startswith("python -m pytest")
