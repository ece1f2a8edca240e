"""The documents hold together: links, commands, files, modules, figures, sentences, and Python that runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "experiments/**/*.md", "hrpe_jax/**/*.md")
    for path in ROOT.glob(pattern)
)
LASTING = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
"""What speaks of today's names only."""
PLAIN = [README, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
"""Written for readers, not kept as records."""
RUNNABLE = [README, ROOT / "docs/getting_started.md", *ROOT.glob("docs/[gcr]*/*.md")]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
COMMENT = re.compile(r"\s+#\s.*$")
ENVIRONMENT = re.compile(r"^(?:[A-Z_]+=\S+\s+)+")
OTHER_PROGRAMS = {"mkdocs", "ruff", "mypy", "sed", "apt-get"}


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(text: str) -> str:
    """A document without its blocks of code."""
    return FENCE.sub("", text)


def anchors(path: Path) -> set[str]:
    """What the headings of a document are called: by GitHub, and by the site for its own pages."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", prose(read(path)), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        found |= {plain.replace(" ", "-"), re.sub(r"[-\s]+", "-", plain).strip("-")}
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for match in LINK.finditer(prose(read(path))):
        target, _, anchor = (match[1] or match[2]).partition("#")
        if "://" in target:
            continue
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{path.name}: {match[0]} leads nowhere"
        generated = "docs/reference" in found.as_posix()  # its headings come from docstrings
        if anchor and found.suffix == ".md" and not generated:
            assert anchor in anchors(found), f"{path.name}: {match[0]}: no such heading"


def test_the_two_commands_come_first() -> None:
    """A newcomer's script, and .ci/run, take the first fenced bash blocks."""
    blocks = [body for language, body in FENCE.findall(read(README)) if language == "bash"]
    assert blocks[0] == "pip install -e '.[corpus]'\npython -m hrpe_jax.train\n"
    assert blocks[1].splitlines()[0] == "pip install -e '.[test]'"
    assert blocks[1].splitlines()[1].startswith("python -m pytest")


def test_the_front_page_is_short() -> None:
    text = read(README)
    assert len(text) <= 9000
    assert len(text.splitlines()) <= 150
    results = text.partition("## Results")[2].partition("## ")[0]
    assert results.count("\n|") - 2 <= 8  # less heading and rule


def sentences(text: str) -> Iterator[str]:
    """Running text and list items as sentences; no headings, tables, code or pictures."""
    text = re.sub(r"<!--.*?-->|<img[^>]*>|!\[[^\]]*\]\([^)]*\)(\{[^}]*\})?", "", prose(text), flags=re.DOTALL)
    text = CODE.sub("code", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text))
    kept = "\n".join("" if re.match(r"\s*(#|\||:::|!!!)", line) else line for line in text.splitlines())
    for paragraph in re.split(r"\n\s*\n|\n\s*(?=[-*] |\d+\. )", kept):
        for sentence in re.split(r"(?<=[.!?])\s+", paragraph.strip()):
            if re.search(r"\w \w", sentence):
                yield " ".join(sentence.split())


@pytest.mark.parametrize("path", PLAIN, ids=name_of)
def test_sentences_are_short(path: Path) -> None:
    found = list(sentences(read(path)))
    lengths = [len(sentence.split()) for sentence in found] or [0]
    assert statistics.mean(lengths) <= 17
    assert not [sentence for sentence in found if len(sentence.split()) > 45]


def commands(path: Path) -> Iterator[str]:
    """The shell commands of a document, in blocks and in running text."""
    text = read(path)
    for language, body in FENCE.findall(text):
        if language in ("sh", "bash", "shell"):
            for line in body.replace("\\\n", " ").splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    yield COMMENT.sub("", line).strip()
    for code in CODE.findall(prose(text)):
        if re.match(r"(?:[A-Z_]+=\S+ )*(?:/usr/bin/time -v )?(?:python|pip|pytest|mkdocs) ", code):
            yield code.replace("\\|", "|")


def program(command: str) -> list[str]:
    """A command as words, without variables of the environment and what stands for more of it."""
    command = ENVIRONMENT.sub("", command).removeprefix("/usr/bin/time -v ")
    return [word for word in shlex.split(command) if word != "..."]


def python_command(words: list[str]) -> list[str] | None:
    """What Python is to run, where its parser can be asked."""
    if words[0] not in ("python", "python3") or words[1:3] == ["-m", "pytest"]:
        return None
    return words[1:]


def test_commands_are_understood() -> None:
    """Every command in every document, by the command's own parser: a flag that is gone fails here."""
    where: dict[tuple[str, ...], str] = {}
    for path in LASTING:
        for command in commands(path):
            arguments = python_command(program(command))
            if arguments:
                where.setdefault(tuple(arguments), f"{name_of(path)}: {command}")
    assert len(where) > 50
    done = subprocess.run(
        [sys.executable, "tests/parse_commands.py"],
        input=json.dumps([list(arguments) for arguments in where]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    problems = json.loads(done.stdout.splitlines()[-1])
    wrong = [f"{place}\n    {p}" for place, p in zip(where.values(), problems, strict=True) if p]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", LASTING, ids=name_of)
def test_other_programs_are_known(path: Path) -> None:
    """`pip install` names extras that exist, pytest files that exist."""
    extras = next(
        ast.literal_eval(node.value)
        for node in ast.parse(read(ROOT / "setup.py")).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXTRAS"
    )
    for command in commands(path):
        words = program(command)
        if python_command(words):
            continue
        if words[0] == "pip":
            for extra in re.findall(r"(?:\.|hrpe_jax)\[([\w,]+)\]", command):
                assert set(extra.split(",")) <= set(extras), f"{command}: no such extra"
        elif "pytest" in words[:3]:
            for word in words[words.index("pytest") + 1 :]:
                assert not word.startswith("tests") or (ROOT / word).exists(), f"{command}: no {word}"
        else:
            assert words[0] in OTHER_PROGRAMS, f"{command}: {words[0]}?"


FOLDERS = r"(?:hrpe_jax|tools|tests|experiments|configs|docs|\.ci)"
NAMED = re.compile(rf"(?:^|(?<=[\s`(=]))({FOLDERS}/[\w./*-]*\w/?)")


@pytest.mark.parametrize("path", LASTING, ids=name_of)
def test_files_that_are_named_exist(path: Path) -> None:
    text = read(path)
    for code in [*CODE.findall(prose(text)), *(body for _, body in FENCE.findall(text))]:
        for named in NAMED.findall(code):
            if re.search(r"\b[A-Z]+\b(?!\.md)", named):
                continue  # NAME, to be filled in
            assert list(ROOT.glob(named)), f"{named}: no such file"


def exists(dotted: str) -> bool:
    """Whether `hrpe_jax.a.b.c` is a module, or something in one."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[end:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


@pytest.mark.parametrize("path", LASTING, ids=name_of)
def test_modules_that_are_named_exist(path: Path) -> None:
    for dotted in set(re.findall(r"(?<![\w/.])hrpe_jax(?:\.[A-Za-z_]\w*)+", read(path))):
        assert exists(dotted), f"{dotted}: no such module or name"


def test_every_folder_has_its_reference() -> None:
    pages = {path.stem for path in ROOT.glob("docs/reference/*.md")}
    folders = {path.parent.name for path in ROOT.glob("hrpe_jax/*/__init__.py")} - {"pretrained"}
    assert folders <= pages


def blocks(path: Path) -> str:
    """All Python of a document, as one program."""
    return "\n".join(body for language, body in FENCE.findall(read(path)) if language == "python")


RUN_ALL = """
import json, sys, traceback
for name, source in json.load(sys.stdin).items():
    try:
        exec(compile(source, name, "exec"), {"__name__": "__main__"})
    except Exception:
        sys.exit(f"{name}: {traceback.format_exc(limit=-1)}")
"""


def run_blocks(paths: list[Path], folder: Path) -> None:
    """Runs the Python of documents, page by page, in an empty folder that has the project's examples."""
    for name in ("experiments", "configs"):
        (folder / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps({name_of(path): blocks(path) for path in paths}),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def composes(path: Path) -> bool:
    return "Composer" in blocks(path)


def test_python_runs(tmp_path: Path) -> None:
    paths = [path for path in RUNNABLE if blocks(path) and not composes(path)]
    assert len(paths) >= 5
    run_blocks(paths, tmp_path)


@pytest.mark.slow
def test_python_that_composes_runs(tmp_path: Path) -> None:
    paths = [path for path in RUNNABLE if composes(path)]
    assert len(paths) >= 5
    run_blocks(paths, tmp_path)


def with_examples() -> list[str]:
    """Modules whose docstrings have examples."""
    found = [path for path in sorted((ROOT / "hrpe_jax").rglob("*.py")) if ">>> " in read(path)]
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in found
    ]


@pytest.mark.parametrize("name", with_examples())
def test_examples_of_docstrings_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted
    assert not found.failed


def test_functions_that_users_call_first_have_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [importlib.import_module(name) for name in with_examples()]
    assert sum(bool(each.examples) for module in modules for each in finder.find(module)) >= 30


def rows(text: str) -> list[list[str]]:
    """The cells of all tables of a text, without bold type."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("*", "") for cell in line.strip("|").split("|")] for line in lines]


def test_front_page_has_the_figures_of_the_model() -> None:
    results = json.loads(read(ROOT / "experiments/results/reference.json"))
    table = {row[0]: row[1:] for row in rows(read(README))}
    for stage, title in (("backbone", "chords"), ("melody", "melody")):
        measured = results["prediction"]["test"][stage]
        for figure in ("nll", "accuracy"):
            wanted = [f"{measured[who][figure]:.3f}" for who in ("model", "as last time", "5-gram")]
            assert table[f"{title}, {'NLL' if figure == 'nll' else figure}"] == wanted
    for name, text in (("released", "with an AUC of {}"), ("before_plans", "it was {}")):
        tunes = json.loads(read(ROOT / f"experiments/tunes/{name}.json"))["rows"]["default16"]
        auc = next(row for row in tunes["classifier"]["rows"] if row["name"] == "all families")["value"]
        assert text.format(f"{auc:.3f}") in read(README)


def test_results_page_is_written_from_the_results() -> None:
    sys.path.insert(0, str(ROOT))
    from tools.release.model_card import front_page

    text = read(ROOT / "docs/research/results.md")
    assert front_page(text, json.loads(read(ROOT / "experiments/results/pop909.json"))) == text


def test_the_tables_of_posterior_sampling_are_those_of_their_records() -> None:
    sys.path.insert(0, str(ROOT))
    from experiments.posterior.run import tables

    page = read(ROOT / "docs/research/posterior.md")
    records = sorted((ROOT / "experiments/posterior/figures").glob("*.json"))
    assert records
    for file in records:
        record = json.loads(read(file))
        assert tables(record["rows"], record.get("seam", ())) in page, file.name


def test_the_tables_of_tunes_are_those_of_their_record() -> None:
    sys.path.insert(0, str(ROOT))
    from experiments.tunes.run import as_lines, show

    folder = ROOT / "experiments/tunes"
    for name in ("released.json", "before_plans.json"):
        record = read(folder / name)
        assert show(json.loads(record)) in read(folder / "README.md")
        assert as_lines(json.loads(record)) == record


def signed(value: str, low: str, high: str) -> set[str]:
    """A gain as the record writes it: as a difference of either sign."""
    numbers = float(value), float(low), float(high)
    plus = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*numbers)
    minus = f"{-numbers[0]:+.3f} [{-numbers[2]:+.3f}, {-numbers[1]:+.3f}]"
    return {plus, minus}


@pytest.mark.parametrize("name", ["README.md", "docs/research/ablation.md"])
def test_ablation_figures_are_those_of_the_record(name: str) -> None:
    """`tables.py --check` holds the record to its runs; this holds what is quoted to the record."""
    record = read(ROOT / "experiments/hrpe_ablation/README.md")
    text = read(ROOT / name)
    gains = re.findall(r"([+-]?\d\.\d{3})\*{0,2} \[([+-]?\d\.\d{3}), ([+-]?\d\.\d{3})\]", text)
    assert len(gains) >= 3
    for gain in gains:
        assert any(form in record for form in signed(*gain)), f"{gain}: not in the record"
    for deviation in re.findall(r"\d\.\d{3}\*{0,2} ± \d\.\d{3}", text):
        assert deviation.replace("*", "") in record


def test_fine_tuning_figures_are_those_of_the_record() -> None:
    found = json.loads(read(ROOT / "experiments/finetune/nottingham.json"))["rows"]
    table = rows(read(ROOT / "docs/guides/fine_tune.md"))
    wanted = [[f"{row[stage]['nll']:.3f}" for stage in ("backbone", "melody")] for row in found.values()]
    assert [row[1:] for row in table[2:]] == wanted


def test_the_comparison_with_music21_is_that_of_the_record() -> None:
    found = json.loads(read(ROOT / "experiments/speed/readers.json"))
    text = " ".join(read(ROOT / "docs/built/decisions.md").split())
    xml, abc = found["musicxml"], found["abc"]
    for sentence in (
        f"takes {xml['times_as_long']} times as long",
        f"same notes in {xml['same_notes']} files, and refuses {xml['music21_failed']} of the others",
        f"takes {abc['times_as_long']} times as long",
        f"{abc['music21_as_midi']} of its pitch sequences",
        f"and {abc['ours_as_midi']} of ours do",
    ):
        assert sentence in text


@pytest.mark.parametrize("split", ["valid", "test"])
def test_baseline_figures_are_those_of_the_record(split: str) -> None:
    """Each cell `nll / accuracy` of the page is in the record of its split."""
    record = json.loads(read(ROOT / f"experiments/baselines/pop909_{split}.json"))
    found = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for name, nll in value.items():
                if name.endswith("nll") and isinstance(nll, float):
                    accuracy = value.get(f"{name.removesuffix('nll')}accuracy")
                    if isinstance(accuracy, float):
                        found.add(f"{nll:.3f} / {accuracy:.3f}")
                walk(nll)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(record)
    before, _, after = read(ROOT / "docs/research/baselines.md").partition("The test split")
    cells = [cell for row in rows(before if split == "valid" else after) for cell in row[1:]]
    pairs = [cell for cell in cells if "/" in cell and cell[0].isdigit()]
    assert len(pairs) > 15
    assert not [pair for pair in pairs if pair not in found]


@pytest.mark.slow
def test_the_site_builds(tmp_path: Path) -> None:
    if shutil.which("mkdocs") is None:
        pytest.skip("mkdocs is not here (pip install -e '.[docs]')")
    command = ["mkdocs", "build", "--quiet", "--strict", f"--site-dir={tmp_path / 'site'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for page in (tmp_path / "site").rglob("*.html"):
        text = read(page)
        assert not re.search(r'<(?:script|link|img)[^>]*(?:src|href)="https?://(?!localhost)', text), page
