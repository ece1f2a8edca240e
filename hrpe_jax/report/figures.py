"""A figure of a page with its title and caption."""

from __future__ import annotations

from html import escape


def figure(picture: str, caption: str, title: str = "") -> str:
    """A figure with its caption; `picture` is HTML, the rest is text."""
    head = f"<h3>{escape(title)}</h3>" if title else ""
    return f"<figure>{head}{picture}<figcaption>{escape(caption)}</figcaption></figure>"
