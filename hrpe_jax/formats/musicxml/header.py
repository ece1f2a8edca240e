"""What a MusicXML file says besides its music: title, composer, the names of parts, which of them are drums;
and a time-wise score turned into the usual form."""

from __future__ import annotations

from html import unescape
from xml.etree.ElementTree import Element


def partwise(root: Element) -> Element:
    """A time-wise score (measures of parts) the usual way round, as parts of measures."""
    turned = Element("score-partwise")
    parts: dict[str, Element] = {}
    for child in root:
        if child.tag != "measure":
            turned.append(child)
            continue
        for part in child.findall("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = Element("part", {"id": name})
                turned.append(parts[name])
            measure = Element("measure", child.attrib)
            measure.extend(part)
            parts[name].append(measure)
    return turned


def drum_parts(root: Element) -> set[str]:
    """Ids of the parts all of whose instruments play on MIDI's percussion channel."""
    drums = set()
    for element in root.iter("score-part"):
        channels = [(channel.text or "").strip() for channel in element.iter("midi-channel")]
        if channels and all(channel == "10" for channel in channels):
            drums.add(element.get("id", ""))
    return drums


def title_of(root: Element) -> str:
    """The first title there is, in one line."""
    for tag in ("work/work-title", "movement-title", "credit/credit-words"):
        text = " ".join(unescape(root.findtext(tag) or "").split())  # some programs escape twice
        if text:
            return text[:200]
    return ""


def composer_of(root: Element) -> str:
    """The first creator of that type; empty if there is none."""
    creators = (element for element in root.iter("creator") if element.get("type") == "composer")
    return next((" ".join(" ".join(element.itertext()).split())[:200] for element in creators), "")


def part_name(element: Element) -> str:
    """The name of a <score-part>, or of its instrument where it has none."""
    texts = (element.findtext(tag) or "" for tag in ("part-name", "score-instrument/instrument-name"))
    return next((name for name in (" ".join(text.split()) for text in texts) if name), "")
