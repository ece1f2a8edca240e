"""Pages of SVG as a PDF file, by svglib and reportlab (extra `engrave`), with fonts that every reader has."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

_ASIAN = (
    ("STSong-Light", "\u4e00", "\u9fff"),
    ("HeiseiMin-W3", "\u3040", "\u30ff"),
    ("HYSMyeongJo-Medium", "\uac00", "\ud7a3"),
)
"""Fonts that PDF readers have for Chinese, Japanese and Korean, with the letters that tell."""
_FILES = ("DejaVuSerif.ttf", "LiberationSerif-Regular.ttf", "times.ttf", "Times New Roman.ttf")
"""Fonts for other alphabets, where the system has one of them."""


def pdf_bytes(pages: list[str], title: str = "") -> bytes:
    """A PDF file of SVG pages."""
    from reportlab.graphics import renderPDF
    from reportlab.pdfgen.canvas import Canvas
    from svglib.svglib import svg2rlg

    file = io.BytesIO()
    canvas = Canvas(file, invariant=True)  # no date: equal pages give equal bytes
    canvas.setTitle(title)
    canvas.setCreator("hrpe_jax")
    for page in pages:
        drawing: Any = svg2rlg(io.BytesIO(_with_fonts(page).encode()))
        canvas.setPageSize((drawing.width, drawing.height))
        renderPDF.draw(drawing, canvas, 0, 0)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def _with_fonts(svg: str) -> str:
    """The SVG with a font named for every text that the fonts of a PDF reader cannot say."""
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        words = (element.text or "").strip()
        if words and not words.isascii() and element.tag.rpartition("}")[2] in ("text", "tspan"):
            try:
                words.encode("cp1252")
            except UnicodeEncodeError:
                family = _font_for(words)
                if family:
                    element.set("font-family", family)
    return ElementTree.tostring(root, encoding="unicode")


@lru_cache(maxsize=64)
def _font_for(words: str) -> str:
    """The name of a font that has these letters; empty where none is found."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFError, TTFont
    from svglib.svglib import register_font

    for name, first, last in reversed(_ASIAN):
        if any(first <= letter <= last for letter in words):
            pdfmetrics.registerFont(UnicodeCIDFont(name))
            register_font(name, rlgFontName=name)
            return name
    for file in _FILES:
        try:
            font: Any = TTFont(file.removesuffix(".ttf"), file)
        except TTFError:
            continue
        if all(ord(letter) in font.face.charToGlyph for letter in words):
            pdfmetrics.registerFont(font)
            register_font(font.fontName, rlgFontName=font.fontName)
            return str(font.fontName)
    return ""
