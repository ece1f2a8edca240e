"""Hooks of mkdocs: the site also shows documents that lie beside code, and links keep working in both places.

A document is written for the repository: its links are paths from its own folder, so they work where the
files are browsed. On the site `docs/` is the root, and `SHOWN` stands beside it under its own path
(`experiments/speed/README.md`). Links are rewritten from the one tree to the other; a link to a file that
is not on the site, such as a module, becomes plain text. A page that `nav` in `mkdocs.yml` does not name
stands at the end of its section.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "hrpe_jax/pretrained/README.md",
    "experiments/**/*.md",
    "experiments/**/*.svg",
    "experiments/**/*.png",
    "experiments/**/*.html",
    "experiments/**/*.json",
    "experiments/**/*.ipynb",
    "experiments/**/*.mid",
    "experiments/**/*.musicxml",
)
SECTIONS = {
    "Guides": "guides",
    "Concepts": "concepts",
    "API": "reference",
    "Research": "research",
    "How it is built": "built",
}
LINK = re.compile(r"(?P<mark>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
SOURCE = re.compile(r'(?P<before><(?:img|a)\b[^>]*?(?:src|href)=")(?P<target>[^"]+)')
CODE = re.compile(r"(?<=<code>)[^<\n]+(?=</code>)")
FLAG = re.compile(r"(?<!\S)--?\w[\w.=,:/-]{0,40}(?!\S)")
FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts pages that `nav` does not name at the end of the section of their folder."""

    def named(entries: object) -> set[str]:
        if isinstance(entries, str):
            return {entries}
        parts = entries.values() if isinstance(entries, dict) else entries
        return {name for part in parts for name in named(part)} if isinstance(entries, dict | list) else set()

    known = named(config.nav)
    for section in config.nav or []:
        for title, pages in section.items() if isinstance(section, dict) else ():
            folder = SECTIONS.get(title)
            for path in sorted((ROOT / "docs" / folder).glob("*.md")) if folder else ():
                name = f"{folder}/{path.name}"
                if name not in known:
                    pages.append(name)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the documents and figures that lie outside of `docs/`."""
    for pattern in SHOWN:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites the links of a page from paths of the repository to paths of the site."""
    here = page.file.src_uri
    inside = here if page.file.generated_by else f"docs/{here}"

    def moved(target: str) -> str | None:
        """The link from this page; None where the site has no such file."""
        path, hash_, anchor = target.partition("#")
        if not path or "://" in target or target.startswith("mailto:"):
            return target
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(inside), path))
        wanted = "docs/index.md" if wanted == "README.md" else wanted
        for name in (wanted.removeprefix("docs/"), f"{wanted.removeprefix('docs/')}/README.md"):
            if files.get_file_from_path(name) is not None:
                return posixpath.relpath(name, posixpath.dirname(here) or ".") + hash_ + anchor
        return None

    def link(match: re.Match[str]) -> str:
        target = moved(match["target"])
        if target is None:
            return match["text"] if not match["mark"] else match[0]
        return f"{match['mark']}[{match['text']}]({target})"

    def source(match: re.Match[str]) -> str:
        return match["before"] + (moved(match["target"]) or match["target"])

    parts = FENCE.split(markdown)
    parts[::2] = [SOURCE.sub(source, LINK.sub(link, part)) for part in parts[::2]]
    return "".join(parts)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keeps the flags of a command in running text and tables together: `--input`, not `-` and `-input`."""
    return CODE.sub(lambda code: FLAG.sub(r'<span class="word">\g<0></span>', code[0]), html)
