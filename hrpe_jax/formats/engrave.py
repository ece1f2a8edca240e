"""Lead sheets engraved: SVG for a screen, PDF for paper; needs the extra `engrave` (Verovio, svglib).

Verovio sets the notes. What it returns is made self-contained: no style sheet, no embedded font (the
accidentals of chord symbols become outlines), ids that depend on the score alone. svglib turns the same SVG
into PDF, with the fonts that every PDF reader has.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hrpe_jax.errors import Unusable, UserError
from hrpe_jax.formats.musicxml.write import READABLE, PrintOptions, measure_id, musicxml_bytes
from hrpe_jax.formats.pdf import pdf_bytes
from hrpe_jax.score.notation import bar_lengths
from hrpe_jax.score.score import Score
from hrpe_jax.score.written import BARS_PER_SYSTEM, lay_out, make_readable, pickup_shift

ENGRAVED_FORMATS = ("pdf", "svg")

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_PAGE = (2100, 2970)  # A4 in tenths of a millimetre
_OPTIONS = {
    "breaks": "line",  # lines as the file has them, pages where they are full
    "font": "Leland",
    "footer": "none",
    "header": "auto",
    "pageMarginBottom": 120,
    **{f"pageMargin{side}": 150 for side in ("Left", "Right", "Top")},
    "pageWidth": _PAGE[0],
    "spacingSystem": 9,
    "svgHtml5": False,
    "svgViewBox": True,
    "xmlIdSeed": 1,
}
_LINE_OPTIONS = {
    "adjustPageHeight": True,
    "header": "none",
    "minLastJustification": 0.35,
    "pageHeight": 100,  # room for one line
    **{f"pageMargin{side}": 20 for side in ("Bottom", "Left", "Right", "Top")},
}
_BOLD, _ITALIC = {"ending", "reh", "tempo", "fing"}, {"dir", "dynam", "mNum"}
_STROKED = {"ellipse", "path", "polygon", "polyline", "rect"}
_TITLE_SIZE = 660.0
_QUARTER, _SIGN_SIZE = "\ueca5", 1.5
"""A quarter note among words, and how much larger than them."""

_VEROVIO = threading.Lock()
"""Held while Verovio works: it is not made for several threads."""

_OWN_ID = re.compile(r"m\d+(-\d+)?")
"""Ids from the MusicXML file, see `measure_id`; Verovio's own are of no use."""

ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)


@dataclass(frozen=True)
class Mark:
    """A moment of playing on paper.

    Attributes:
        tick: of the score.
        element: id of the note or rest in the SVG that begins then.
        measure: id of its measure.
    """

    tick: int
    element: str
    measure: str


def check_engrave(kind: str) -> None:
    """Finds out before any work whether an engraved file can be written.

    Raises:
        UserError: the extra is missing.
    """
    try:
        import verovio  # noqa: F401

        if kind == "pdf":
            import svglib.svglib  # noqa: F401
    except ImportError:
        raise Unusable(
            f"{kind}: needs the extra engrave: pip install 'hrpe_jax[engrave]'; musicxml needs nothing"
        ) from None


def write_svg(score: Score, path: str | os.PathLike[str], options: PrintOptions = READABLE) -> None:
    """Writes a score as one SVG picture, as tall as it needs to be; its folder must exist.

    Raises:
        UserError: the extra `engrave` is missing.
    """
    check_engrave("svg")
    Path(path).write_text(engrave(score, options)[0], encoding="utf-8", newline="\n")


def write_pdf(score: Score, path: str | os.PathLike[str], options: PrintOptions = READABLE) -> None:
    """Writes a score as a PDF file of A4 pages; its folder must exist.

    Raises:
        UserError: the extra `engrave` is missing.
    """
    check_engrave("pdf")
    Path(path).write_bytes(pdf_bytes(engrave(score, options, paged=True), score.title or score.id))


def engrave_lines(score: Score, options: PrintOptions = READABLE, before: int = 0) -> list[str]:
    """Engraves a score line by line, without title and tempo.

    Args:
        score: what to print.
        options: how; lines are as wide as their `bars_per_line` need.
        before: bars of the piece before these: numbers and ids count from there, and the meter is not
            printed again.

    Returns:
        The SVG text of every line.

    Raises:
        UserError: the score cannot be engraved.
    """
    width = _PAGE[0] * options.bars_per_line // BARS_PER_SYSTEM
    text = _for_verovio(musicxml_bytes(replace(score, title="", composer=""), 0, options))
    text = re.sub(r"<credit .*?</credit>", "", text, flags=re.DOTALL)
    if before:
        text = re.sub(r' id="m(\d+)', lambda found: f' id="m{int(found[1]) + before}', text)
        text = re.sub(
            r'<measure number="(\d+)', lambda found: f'<measure number="{int(found[1]) + before}', text
        )
        text = text.replace("<time>", '<time print-object="no">', 1)
    return [
        _clean(page, "") for page in _pages(text, {**_LINE_OPTIONS, "pageWidth": max(width, 900)}, score.id)
    ]


def engrave(
    score: Score, options: PrintOptions = READABLE, paged: bool = False, prefix: str = ""
) -> list[str]:
    """Engraves a score.

    Args:
        score: what to print.
        options: how.
        paged: A4 pages; otherwise one picture as tall as it needs to be.
        prefix: of the ids in the SVG, where several pictures are put into one page.

    Returns:
        The SVG text of every page.
    """
    height = {"pageHeight": _PAGE[1]} if paged else {"pageHeight": 60000, "adjustPageHeight": True}
    text = _for_verovio(musicxml_bytes(score, 0, options))
    return [_clean(page, prefix) for page in _pages(text, height, score.id)]


def _pages(musicxml: str, options: dict[str, Any], name: str) -> list[str]:
    """The SVG of every page, as Verovio makes it."""
    import verovio

    with _VEROVIO:
        verovio.setDefaultResourcePath(str(_verovio_data()))  # each thread has its own
        toolkit = verovio.toolkit()
        toolkit.setOptions({**_OPTIONS, **options})
        verovio.enableLog(verovio.LOG_OFF)
        if not toolkit.loadData(musicxml):
            raise UserError(f"{name}: cannot be engraved; its MusicXML file may still open elsewhere")
        return [toolkit.renderToSVG(page + 1) for page in range(toolkit.getPageCount())]


def marks(score: Score, options: PrintOptions = READABLE, prefix: str = "") -> list[Mark]:
    """Which note or rest of the engraved page begins when, repeats played out; arguments as `engrave`."""
    shift = pickup_shift(score) if options.readable else 0
    shown = make_readable(score) if options.readable else score
    starts = [start for start, _ in bar_lengths(shown)]
    found = []
    for measure in lay_out(shown, repeats=options.repeats, bars_per_line=options.bars_per_line):
        name = measure_id(measure)
        for played in measure.played:
            for place, symbol in enumerate(measure.bar.symbols):
                tick = starts[played] + symbol.onset - measure.bar.start + shift
                found.append(Mark(tick, f"{prefix}{name}-{place}", f"{prefix}{name}"))
    return sorted(found, key=lambda mark: mark.tick)


def _for_verovio(musicxml: bytes) -> str:
    """The file as Verovio should see it.

    It would print hidden degrees, and an ASCII b as a letter. The tempo goes from the first bar, where it
    would push chord symbols up, to the head of the page.
    """
    text = re.sub(r'\s*<degree print-object="no">.*?</degree>', "", musicxml.decode(), flags=re.DOTALL)
    text = re.sub(r'<kind text="[^"]*"', lambda kind: re.sub(r"[b#](?=\d)", _sign, kind[0]), text)
    mark = re.search(
        r'\s*<direction placement="above">\s*<direction-type>\s*<metr.*?</direction>', text, re.DOTALL
    )
    if mark is None:
        return text
    dot = " ." if "beat-unit-dot" in mark[0] else ""
    number = re.search(r"<per-minute>(.*?)</per-minute>", mark[0])
    words = f"{_QUARTER}{dot} = {number[1] if number else ''}"
    credit = (
        '<credit page="1"><credit-type>tempo</credit-type><credit-words justify="left" halign="left" '
        f'valign="bottom">{words}</credit-words></credit>'
    )
    text = text.replace(mark[0], "", 1)
    if ">part name<" in text:  # one block on the left: whose part it is, and the tempo
        return re.sub(r'(<credit-words [^>]*halign="left"[^>]*>)(in \w+)<', rf"\g<1>\g<2>   {words}<", text)
    return text.replace("<part-list>", f"{credit}<part-list>", 1)


def _sign(letter: re.Match[str]) -> str:
    return "♭" if letter[0] == "b" else "♯"


def _clean(svg: str, prefix: str) -> str:
    """The SVG as one drawing without style sheets, fonts and hidden things, with prefixed ids."""
    root = ElementTree.fromstring(svg)
    inner = next(child for child in root if child.tag == f"{{{_SVG}}}svg")
    x, y, width, height = inner.get("viewBox", "").split()
    for child in list(root):
        if child.tag.rpartition("}")[2] in ("style", "desc", "svg"):
            root.remove(child)
    drawing = ElementTree.SubElement(root, f"{{{_SVG}}}g", {"color": "black", "font-family": "Times, serif"})
    drawing.extend(list(inner))
    root.attrib.update({"viewBox": f"{x} {y} {width} {height}", "width": f"{int(width) / 100:g}mm"})
    root.set("height", f"{int(height) / 100:g}mm")
    _style(drawing, bold=False)
    _shrink(drawing)
    for element in root.iter():
        if prefix and "id" in element.attrib:
            element.set("id", prefix + element.get("id", ""))
        link = element.get(f"{{{_XLINK}}}href", "")
        if prefix and link.startswith("#"):
            element.set(f"{{{_XLINK}}}href", f"#{prefix}{link[1:]}")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _style(parent: Element, bold: bool, title: bool = False) -> None:
    """What Verovio's style sheet says, as attributes; texts laid flat."""
    for place, element in enumerate(list(parent)):
        tag = element.tag.rpartition("}")[2]
        classes = set(element.get("class", "").split())
        weight = bold or bool(classes & _BOLD)
        if "placeholder" in classes:
            element.clear()
        if classes & _BOLD:
            element.set("font-weight", "bold")
        if classes & _ITALIC:
            element.set("font-style", "italic")
        if tag in _STROKED and "stroke" not in element.attrib:
            element.set("stroke", "currentColor")
        if tag == "text":
            parent.remove(element)
            parent.insert(place, _flat(element, weight, title))
        else:
            _style(element, weight, title or "pgHead" in classes)


def _shrink(parent: Element) -> None:
    """Without blanks, empty groups, and the ids of all but measures, notes and rests."""
    parent.text = parent.text if (parent.text or "").strip() else None
    for element in list(parent):
        element.tail = None
        _shrink(element)
        if not _OWN_ID.fullmatch(element.get("id", "")):
            element.attrib.pop("id", None)
        if element.tag == f"{{{_SVG}}}g" and not len(element) and "id" not in element.attrib:
            parent.remove(element)


def _is_sign(text: str) -> bool:
    return any("\ue000" <= letter <= "\uf8ff" for letter in text)


@dataclass
class _Line:
    """Words in a row: where they begin, how they are set against that place, and (words, size, font)."""

    x: float
    y: float
    anchor: str
    runs: list[tuple[str, float, str]]


def _flat(text: Element, bold: bool, head: bool) -> Element:
    """A text as a group of plain texts; signs of the music font as outlines that say what they are.

    Renderers do not agree on spans with places of their own, and few have the music font.
    """
    lines = [_Line(_number(text, "x"), _number(text, "y"), text.get("text-anchor", ""), [])]
    _collect(text, lines, "")
    group = Element(f"{{{_SVG}}}g")
    for line in lines:
        if head and line.anchor == "middle":
            line.runs = [(words, _TITLE_SIZE, font) for words, _, font in line.runs]
        _set_line(group, line, bold)
    return group


def _number(element: Element, name: str) -> float:
    return float(element.get(name, "0").removesuffix("px"))


def _collect(element: Element, lines: list[_Line], font: str) -> None:
    """The words of spans, a new line for each that has a place."""
    for run in element.findall(f"{{{_SVG}}}tspan"):
        if "x" in run.attrib:
            lines.append(_Line(_number(run, "x"), _number(run, "y"), run.get("text-anchor", ""), []))
        own = run.get("font-family", font)
        words, size = run.text or "", _number(run, "font-size")
        if size and words and (words.strip() or "\n" not in words):
            lines[-1].runs.append((words, size, own))
        _collect(run, lines, own)


def _set_line(group: Element, line: _Line, bold: bool) -> None:
    runs = [piece for words, size, font in line.runs for piece in _pieces(words, size, font)]
    alone = len(runs) == 1 and not _is_sign(runs[0][0])
    width = sum(_width(words, size, font, bold) for words, size, font in runs)
    x, y = line.x, line.y
    x -= 0.0 if alone else {"middle": width / 2, "end": width}.get(line.anchor, 0.0)
    for words, size, font in runs:
        if _is_sign(words):
            path, _ = _glyph(font or "Leipzig", f"{ord(words):X}")
            place = f"translate({x:.0f},{y:.0f}) scale({size / 1000:g},{-size / 1000:g})"
            attributes = {"d": path, "transform": place, "aria-label": _SIGN_NAMES.get(words, "")}
            ElementTree.SubElement(group, f"{{{_SVG}}}path", attributes)
        elif words.strip():
            before = 0.0 if alone else _width(words[: len(words) - len(words.lstrip())], size, font, bold)
            attributes = {"x": f"{x + before:.0f}", "y": f"{y:.0f}", "font-size": f"{size:g}px"}
            attributes |= {"text-anchor": line.anchor} if alone and line.anchor else {}
            if not line.anchor:  # as wide as planned in any font: what stands behind it must not be touched
                length = f"{_width(words.strip(), size, font, bold):.0f}"
                attributes |= {"textLength": length, "lengthAdjust": "spacingAndGlyphs"}
            ElementTree.SubElement(group, f"{{{_SVG}}}text", attributes).text = words.strip()
        x += _width(words, size, font, bold)


def _pieces(words: str, size: float, font: str) -> list[tuple[str, float, str]]:
    """A run, with each of its music signs alone."""
    parts = [part for part in re.split("([\ue000-\uf8ff])", words) if part]
    return [(part, size * (_SIGN_SIZE if _is_sign(part) and not font else 1), font) for part in parts]


_SIGN_NAMES = {
    "\uea64": "♭", "\uea66": "♯", "\uea63": "𝄫", "\uea65": "♮", "\uea67": "𝄪",
    "\ueca2": "𝅝", "\ueca3": "𝅗𝅥", "\ueca5": "♩", "\ueca7": "♪", "\uecb7": ".",
}  # fmt: skip
"""What the outlines of the music font say in plain text."""


def _width(words: str, size: float, font: str, bold: bool) -> float:
    """How wide a run is."""
    if _is_sign(words):
        return _glyph(font or "Leipzig", f"{ord(words):X}")[1] * size / 1000
    widths = _text_widths("Times-bold" if bold else "Times")
    return sum(widths.get(ord(letter), widths[ord("n")]) for letter in words) * size / 2048


@cache
def _text_widths(font: str) -> dict[int, float]:
    tree = ElementTree.parse(_verovio_data() / "text" / f"{font}.xml")
    widths = {}
    for glyph in tree.iter("g"):
        # Where the advance is left out: as much room behind the letter as before it.
        drawn = float(glyph.get("w", "0")) + 2 * float(glyph.get("x", "0"))
        widths[int(glyph.get("c", "0"), 16)] = float(glyph.get("h-a-x", drawn))
    return widths


@lru_cache(maxsize=256)
def _glyph(font: str, code: str) -> tuple[str, float]:
    """(outline, advance) of a sign, a thousand units to the size of the font."""
    for name in (font, "Leipzig"):
        path = _verovio_data() / name / f"{code}.xml"
        if path.is_file():
            outline = next(ElementTree.parse(path).iter("path")).get("d", "")
            signs = ElementTree.parse(_verovio_data() / f"{name}.xml")
            advance = next(g.get("h-a-x", "0") for g in signs.iter("g") if g.get("c") == code)
            return outline, float(advance)
    return "", 300.0


def _verovio_data() -> Path:
    import verovio

    return Path(verovio.__file__).parent / "data"
