"""What a compiled program does, read from its HLO text: products, memory traffic, collectives, kernels.

The compiler's own cost analysis counts the body of a loop once, and layers are a loop; here every computation
counts as often as it runs. Counted, per device:

    flops        of dots and convolutions (the TPU compiler writes dots as convolutions): two for every
                 product of an input with a weight, padding left out
    bytes        read and written by instructions and fusions in HBM; arrays that the compiler keeps on the
                 chip (memory space S(n) in the layout) are free, slices count as what they take
    collectives  by kind: how many run, and the bytes of their results
    kernels      custom calls of Pallas kernels: how many run

A while loop runs as often as the constant that its condition compares a counter with; where the condition
asks for more, as a sampler's does that ends with its longest piece, it counts once.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

BITS = {"pred": 8, "s4": 4, "u4": 4, "bf16": 16, "f8e4m3fn": 8, "f8e5m2": 8, "c64": 64, "c128": 128}
COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
# Instructions that move nothing by themselves.
FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call",
    "after-all", "copy-done", "slice-done", "all-gather-done", "all-reduce-done", "collective-permute-done",
    "partition-id", "opt-barrier", "async-done", "async-start",
}  # fmt: skip


class Shape(NamedTuple):
    """One array: element type, dimensions, whether it lies outside HBM."""

    dtype: str
    dims: tuple[int, ...]
    on_chip: bool

    @property
    def bytes(self) -> float:
        """Its size."""
        bits = BITS.get(self.dtype) or int(re.sub(r"\D", "", self.dtype) or 0)
        return math.prod(self.dims) * bits / 8


class Instruction(NamedTuple):
    """One line: its result's arrays, what it does, what stands in its brackets, and all that follows."""

    name: str
    opcode: str
    shapes: tuple[Shape, ...]
    arguments: str
    attributes: str
    is_root: bool

    @property
    def operands(self) -> list[str]:
        """Names of the instructions it reads."""
        return re.findall(r"%([\w.\-]+)", self.arguments)


class Program(NamedTuple):
    """Instructions by name of their computation, and how often each computation runs."""

    computations: dict[str, dict[str, Instruction]]
    runs: dict[str, int]

    def instructions(self) -> Iterator[tuple[Instruction, dict[str, Instruction], int]]:
        """Yields (instruction, its computation, runs) of all that run."""
        for name, times in self.runs.items():
            for instruction in self.computations[name].values():
                yield instruction, self.computations[name], times


_SHAPE = re.compile(r"(\w+)\[([\d,]*)\](\{[^}]*\})?")
_CALLED = re.compile(
    r"(calls|body|condition|branch_computations|called_computations)=\{?((?:%[\w.\-]+(?:, )?)+)"
)


def parse(text: str) -> Program:
    """Reads the text of a compiled module (`compiled.as_text()`)."""
    computations: dict[str, dict[str, Instruction]] = {}
    entry, current = "", {}
    for line in text.splitlines():
        if line.endswith("{") and ") -> " in line:
            head = re.match(r"(ENTRY )?%?([\w.\-]+)", line)
            assert head is not None
            current = computations[head[2]] = {}
            entry = head[2] if head[1] else entry
        elif found := re.match(r"\s+(ROOT )?%?([\w.\-]+) = ", line):
            instruction = _instruction(line[found.end() :], found[2], bool(found[1]))
            current[instruction.name] = instruction
    runs: dict[str, int] = defaultdict(int)
    waiting = [(entry, 1)]
    while waiting:
        name, times = waiting.pop()
        runs[name] += times
        for instruction in computations[name].values():
            for called, often in _calls(instruction, computations):
                waiting.append((called, times * often))
    return Program(computations, dict(runs))


def _instruction(text: str, name: str, is_root: bool) -> Instruction:
    cut = _closing(text, 0) if text.startswith("(") else text.index(" ")
    shapes = tuple(
        Shape(kind, tuple(map(int, filter(None, dims.split(",")))), "S(" in (layout or ""))
        for kind, dims, layout in _SHAPE.findall(text[:cut])
    )
    rest = text[cut:].strip()
    opening = rest.index("(")
    end = _closing(rest, opening)
    return Instruction(name, rest[:opening], shapes, rest[opening + 1 : end - 1], rest[end:], is_root)


def _closing(text: str, opening: int) -> int:
    """The place behind the bracket that closes the one at a place."""
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if not depth:
            return place + 1
    return len(text)


def _calls(
    instruction: Instruction, computations: dict[str, dict[str, Instruction]]
) -> Iterator[tuple[str, int]]:
    called = {
        kind: re.findall(r"%([\w.\-]+)", names) for kind, names in _CALLED.findall(instruction.attributes)
    }
    times = _trips(computations[called["condition"][0]]) if instruction.opcode == "while" else 1
    for kind, names in called.items():
        for name in names:
            yield name, times if kind == "body" else 1


def _trips(condition: dict[str, Instruction]) -> int:
    """What a loop's condition compares its counter with; 1 where that is not all it asks."""
    root = next(instruction for instruction in condition.values() if instruction.is_root)
    if root.opcode != "compare" or "direction=LT" not in root.attributes:
        return 1
    limit = condition[root.operands[1]]
    return int(limit.arguments) if limit.opcode == "constant" else 1


def product_flops(instruction: Instruction, computation: dict[str, Instruction]) -> float:
    """Floating point operations of one dot or convolution; 0 for anything else."""
    if instruction.opcode not in ("dot", "convolution"):
        return 0.0
    left, right = (computation[name].shapes[0].dims for name in instruction.operands[:2])
    out, attributes = instruction.shapes[0].dims, instruction.attributes
    if instruction.opcode == "dot":
        found = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", attributes)
        contracted = [left[int(axis)] for axis in found[1].split(",") if axis] if found else []
        return 2.0 * math.prod(out) * math.prod(contracted)
    found = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", attributes)
    assert found is not None
    total = 2.0 * out[found[3].index("b")] * out[found[3].index("f")] * right[found[2].index("i")]
    window = dict(
        re.findall(r"(\w+)=([\w\-]+)", (re.search(r"window=\{([^}]*)\}", attributes) or ["", ""])[1])
    )
    for axis, size in enumerate(window.get("size", "").split("x") if window else ()):

        def value(name: str, default: str, axis: int = axis) -> str:
            return window[name].split("x")[axis] if name in window else default

        label = str(axis)
        total *= _pairs(
            out[found[3].index(label)],
            left[found[1].index(label)],
            int(size),
            int(value("stride", "1")),
            int(value("pad", "0_0").split("_")[0]),
            int(value("lhs_dilate", "1")),
            int(value("rhs_dilate", "1")),
        )
    groups = re.search(r"batch_group_count=(\d+)", attributes)
    return total / (int(groups[1]) if groups else 1)


def _pairs(outputs: int, inputs: int, size: int, stride: int, pad: int, spread: int, step: int) -> int:
    """Pairs of output and window place that meet an input, along one dimension of a convolution."""
    reach = (inputs - 1) * spread
    count = 0
    for tap in range(size):
        first = tap * step - pad  # where this tap stands for output 0, in the spread-out input
        period = spread // math.gcd(stride, spread)
        for start in range(min(period, outputs)):
            place = first + start * stride
            if place % spread:
                continue
            # Outputs start, start + period, ... meet an input as long as they are within reach.
            hop = period * stride
            low = max(0, -(place // hop)) if place < 0 else 0
            high = min((outputs - 1 - start) // period, (reach - place) // hop)
            count += max(0, high - low + 1)
    return count


def collectives(program: Program) -> dict[str, tuple[int, float]]:
    """By kind: how many run on a device, and the bytes of their results.

    A collective that the compiler wove into several steps of other work appears in each of them; it is known
    by its channel and counted once. A sum of which every device keeps its part is a reduce-scatter.
    """
    seen: dict[tuple, tuple[str, int, float]] = {}
    for name, times in program.runs.items():
        for instruction in program.computations[name].values():
            kind = instruction.opcode.removesuffix("-start")
            if kind not in COLLECTIVES:
                continue
            sizes = [shape.bytes for shape in instruction.shapes]
            size = max(sizes) if instruction.opcode.endswith("-start") else sum(sizes)
            if "all-reduce-scatter" in name:
                kind = "reduce-scatter"
            channel = re.search(r"channel_id=(\d+)", instruction.attributes)
            dims = tuple(shape.dims for shape in instruction.shapes)
            key = (kind, channel[1] if channel else instruction.name, dims)
            if key not in seen or seen[key][1] < times:
                seen[key] = (kind, times, size)
    total: dict[str, tuple[int, float]] = {}
    for kind, times, size in seen.values():
        count, moved = total.get(kind, (0, 0.0))
        total[kind] = (count + times, moved + times * size)
    return dict(sorted(total.items()))


def hbm_bytes(program: Program) -> float:
    """Bytes that instructions and fusions read from and write to HBM, loops multiplied out."""
    fused = {
        name
        for computation in program.computations.values()
        for instruction in computation.values()
        if instruction.opcode == "fusion"
        for _, names in _CALLED.findall(instruction.attributes)
        for name in re.findall(r"%([\w.\-]+)", names)
    }
    total = 0.0
    for name, times in program.runs.items():
        if name in fused:
            continue
        computation = program.computations[name]
        for instruction in computation.values():
            if instruction.opcode not in FREE:
                total += times * _traffic(instruction, computation, program)
    return total


def _traffic(instruction: Instruction, computation: dict[str, Instruction], program: Program) -> float:
    inputs = [computation[name].shapes for name in instruction.operands if name in computation]
    read = [sum(shape.bytes for shape in shapes if not shape.on_chip) for shapes in inputs]
    if instruction.opcode == "slice-start":  # its result names source, slice and flags
        source, part = instruction.shapes[:2]
        return part.bytes * ((not source.on_chip) + (not part.on_chip))
    if instruction.opcode == "copy-start":  # copy, source and flags
        return sum(read) + sum(shape.bytes for shape in instruction.shapes[:1] if not shape.on_chip)
    if instruction.opcode.endswith("-start"):  # source and result
        return sum(read) + sum(shape.bytes for shape in instruction.shapes[1:2] if not shape.on_chip)
    written = sum(shape.bytes for shape in instruction.shapes if not shape.on_chip)
    if instruction.opcode in ("dynamic-slice", "slice", "gather"):
        return 2 * min(written or math.inf, *read) if read else written
    if instruction.opcode == "dynamic-update-slice":
        return 2 * read[1]
    called = _CALLED.search(instruction.attributes) if instruction.opcode == "fusion" else None
    if called:
        body = program.computations[called[2].strip().lstrip("%").rstrip(", ")]
        users: dict[str, list[Instruction]] = defaultdict(list)
        for inner in body.values():
            for operand in inner.operands:
                users[operand].append(inner)
        for inner in body.values():
            uses = users[inner.name]
            if (
                inner.opcode == "parameter"
                and uses
                and all(u.opcode in ("dynamic-slice", "gather") for u in uses)
            ):
                place = int(inner.arguments)
                read[place] = min(read[place], sum(u.shapes[0].bytes for u in uses))
            if inner.opcode == "dynamic-update-slice" and inner.operands[1] in body:
                # The rest of the array stays where it is: not read, not written.
                whole, part = inner.shapes[0], body[inner.operands[1]].shapes[0].bytes
                if not whole.on_chip and written >= whole.bytes:
                    written -= whole.bytes - part
                    index = max(range(len(read)), key=read.__getitem__)
                    read[index] = max(0.0, read[index] - whole.bytes)
    return sum(read) + written


def summarize(text: str) -> dict:
    """All figures of a compiled module's text, and the shapes of its kernels' operands."""
    program = parse(text)
    flops = sum(times * product_flops(i, computation) for i, computation, times in program.instructions())
    kernels: Counter = Counter()
    calls = []
    for instruction, computation, times in program.instructions():
        if instruction.opcode == "custom-call" and '"tpu_custom_call"' in instruction.attributes:
            label = re.sub(r"[.\d]+$", "", instruction.name)
            kernels[label] += times
            shapes = [computation[o].shapes[0].dims for o in instruction.operands if computation[o].shapes]
            calls.append((label, times, shapes, [shape.dims for shape in instruction.shapes]))
    return {
        "flops": flops,
        "bytes": hbm_bytes(program),
        "collectives": collectives(program),
        "kernels": dict(kernels),
        "kernel_calls": calls,
    }
