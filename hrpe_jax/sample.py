"""Compose pieces: chords first, then a melody over them.

  python -m hrpe_jax.sample                                   with the model of the package, into pieces
  python -m hrpe_jax.sample --key="Eb major" --bars=16
  python -m hrpe_jax.sample --model=runs/quickstart           with one that you have trained

writes for each piece NAME.mid, NAME.musicxml, NAME.abc and NAME.json (tokens, codes and settings), and for
all of them index.html, a page to look at and listen to; prints each piece on a line, and a JSON summary on
the last line. A band plays under the melody:
  --band=swing --audio=mp3         a style of your choice, and its sound (extra audio)
  --formats=pdf,mid                the engraved lead sheet (extra engrave) and MIDI

Chords of your own are written as on a lead sheet, in Harte's syntax or as roman numerals:
  --chords="C Am F G"              one bar each
  --chords="C*2 Am*2 F G*3 E7"     with beats; a chord without them fills its bar
  --chords="C | Am F | G7 | %"     bars between lines; chords of a bar share it, % is the bar before again
  --chords="| Dm7 | G7 ? | ? | I"  ? (or _) is what the model fills, around the chords that are there
Where --bars asks for more they come round again; N.C. is no chord; slashes name the bass (C/E).

A form says which sections come again:
  --form=AABA            each letter a section, repeated note for note; the bars are divided among them
  --form="AA'BA'"        with a mark (or in lower case) the same chords under a new melody
  --form=A8B4A8          bars of each section

A piece to go on from is any file that preprocess reads; --bars then says how many more:
  --prime=tune.musicxml --bars=8
  --prime=song.mid --prime_use=chords      a new melody over its chords
  --prime=song.mid --prime_use=harmonize   chords under its melody; --chords="C ? ? G" keeps some
  --prime=song.mid --rewrite=5-8           other notes in these bars; all else stays
  --prime=song.mid --rewrite=5-8 --rewrite_what=chords
                                           other chords; or both, rhythm, pitches, vary
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields

from hrpe_jax.utils import cli

_DRAWS = ("temperature", "top_k", "top_p", "repetition_penalty")


def main(args: argparse.Namespace) -> None:
    """Composes, and prints the summary."""
    from hrpe_jax.sampling.options import ComposeOptions, OutputOptions
    from hrpe_jax.workflows.sample import compose_files

    options = ComposeOptions(**{field.name: getattr(args, field.name) for field in fields(ComposeOptions)})
    outputs = OutputOptions(**{field.name: getattr(args, field.name) for field in fields(OutputOptions)})
    cli.print_result(compose_files(args.model, args.output, options, outputs))


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("sample", __doc__)
    add = options.add_argument
    model = "workdir of a training, or a released model (default: pretrained, the one of the package)"
    add("--model", type=cli.path, default="pretrained", metavar="DIR", help=model)
    output = "where the pieces go; made if it is not there (default: pieces, or pieces-2, ... where taken)"
    add("--output", type=cli.path, metavar="DIR", help=output)
    add("--num_pieces", type=int, default=4, metavar="N", help="how many pieces")
    add("--bars", type=int, metavar="N", help="bars of each (default: 16, or those of --chords or --form)")
    add("--key", metavar="KEY", help='such as "Eb major" or C#m (default: the model chooses)')
    add(
        "--mode",
        metavar="MODE",
        help="major or minor, in a key that the model chooses or on the tonic of --key",
    )
    add("--meter", metavar="N/D", help="such as 4/4 or 6/8 (default: the model chooses; 4/4 with --chords)")
    add(
        "--tempo",
        type=float,
        metavar="BPM",
        help="quarter notes a minute (default: as in songs of the style)",
    )
    add("--chords", metavar="CHORDS", help="your own chords, see above (default: the model writes them)")
    add("--form", metavar="FORM", help="sections that come again, see above")
    add("--prime", type=cli.path, metavar="FILE", help="MIDI, MusicXML or ABC to go on from, see above")
    add(
        "--prime_use",
        default="continue",
        metavar="USE",
        help="continue; chords: a new melody over its chords; harmonize: chords under its melody",
    )
    add(
        "--stage",
        default="both",
        metavar="STAGE",
        help="both, backbone (chords alone) or melody (over --chords)",
    )
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same pieces")
    add("--temperature", type=float, default=1.0, metavar="T", help="of the draws; lower is safer")
    add("--top_k", type=int, default=0, metavar="K", help="draw among the K likeliest tokens; 0 is all")
    nucleus = "draw among the likeliest that make up P (default: 0.98 for chords, 0.95 for the melody)"
    add("--top_p", type=float, metavar="P", help=nucleus)
    repeated = "make the last eight pitches, and chords, R times less likely"
    add("--repetition_penalty", type=float, default=1.0, metavar="R", help=repeated)
    for name in _DRAWS:
        for stage in ("backbone", "melody"):
            kind = int if name == "top_k" else float
            add(f"--{name}_{stage}", type=kind, metavar=name[0].upper(), help=f"--{name} of that stage alone")
    silent = "whole bars in a row in which the melody may be silent (songs often begin with many)"
    add("--silent_bars", type=int, default=1, metavar="N", help=silent)
    chosen = "chord progressions of which the one that leads best into your chords, or the end, is kept"
    add("--candidates", type=int, default=16, metavar="N", help=chosen)
    add(
        "--style",
        metavar="NAME",
        help="such as pop or folk, one that the model knows (default: its usual one)",
    )
    notes = "lowest and highest note of the melody, such as A3-E5 (default: as in songs of the style)"
    add("--range", metavar="LOW-HIGH", help=notes)
    add("--density", type=float, metavar="N", help="notes a bar (default: as in songs of the style)")
    add("--intro", type=int, default=0, metavar="N", help="bars without a melody before it begins")
    add("--rewrite", metavar="BARS", help="bars of --prime to write anew, such as 5-8 or 5-8,13-16")
    what = "melody, chords, both, rhythm (pitches stay), pitches (the rhythm stays) or vary"
    add("--rewrite_what", default="melody", metavar="WHAT", help=what)
    share = "share of the notes that may change with --rewrite_what=vary"
    add("--distance", type=float, default=0.5, metavar="SHARE", help=share)
    per_bar = "1 or 2 chords a bar, where chords are found under a melody (default: as the model has it)"
    add("--chords_per_bar", type=int, metavar="N", help=per_bar)
    output_options(options)
    return options


def output_options(options: argparse.ArgumentParser) -> None:
    """The options that say what is written."""
    add = options.add_argument
    formats = "some of mid,musicxml,abc,json,html,pdf,svg,txt,cho,irealb (default: the first five)"
    add("--formats", metavar="NAMES", help=formats)
    sound = "also write sound; real instruments, and all but wav, need the extra audio"
    add("--audio", choices=("wav", "ogg", "mp3", "opus"), help=sound)
    band = "none, block, ballad, pop, rock, folk, waltz, swing, bossa, hymn, six_eight, without parts as in "
    band += "swing-drums, or a pattern file (default: what fits meter, tempo and chords)"
    add("--band", metavar="STYLE", help=band)
    swing = "share of a beat that its first eighth has, 0.5 to 0.75 (default: the style's)"
    add("--swing", type=float, metavar="SHARE", help=swing)
    human = "how far the band's times and loudness differ from its patterns; 0 is not at all"
    add("--humanize", type=float, default=1.0, metavar="AMOUNT", help=human)
    programs = "General MIDI programs of melody, chords and bass, such as 73 or 73,0,32 (default: style's)"
    add("--programs", metavar="NUMBERS", help=programs)
    font = "sound font to play with (default: the General MIDI one that pretty_midi ships)"
    add("--soundfont", type=cli.path, metavar="FILE", help=font)
    page = "let the page play the rendered sound"
    add("--page_audio", action="store_true", help=page)
    part = "print the part of an instrument in Bb, Eb or F (default: concert pitch)"
    add("--transpose", metavar="PITCH", help=part)
    add("--clef", metavar="CLEF", help="print in the treble or bass clef (default: what fits)")
    explain = "leave out of the page why the model chose each chord (by default it tells)"
    add("--no_explain", dest="explain", action="store_false", help=explain)


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
