"""Attention alone: temporary memory against length, and what H-RPE adds to its time.

    python tools/bench/attention.py [--lengths=256,512,1024,2048,4096,8192] [--json=FILE]

Memory is the compiler's own account of the temporaries of forward and backward, so it is exact and needs no
run: the dense bias of the reference against the folded features in the implementation that the platform
chooses. Times are of forward and backward with H-RPE over the same without, in turns; lengths above
--time_up_to are only compiled.
"""

from __future__ import annotations

import argparse
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import in_turns, place, print_table, ratio, store

from hrpe_jax.models.config import ALL_LAGS, Lags
from hrpe_jax.ops import hrpe
from hrpe_jax.ops.attention.attention import attention, choose
from hrpe_jax.ops.attention.types import Side

SIZES = (9, 10)


def make(
    length: int, heads: int, width: int, dtype: Any, lags: tuple[tuple[int, int], ...]
) -> dict[str, Any]:
    """Random queries, keys, values, codes of one song, and tables."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape), dtype)

    codes = hrpe.Codes(
        jnp.asarray(rng.integers(0, 12, (1, length))),
        tuple(jnp.asarray(rng.integers(0, size, (1, length))) for size in SIZES),
        jnp.ones((1, length), bool),
    )
    relations = []
    for pair in lags:
        here = pair == (0, 0)
        categories = tuple(normal(heads, size, size) for size in (SIZES if here else SIZES[:1]))
        relations.append(
            hrpe.Relation(normal(heads, 12), categories, normal(heads, 12, width) if here else None)
        )
    return {
        "q": normal(1, heads, length, width),
        "k": normal(1, heads, length, width),
        "v": normal(1, heads, length, width),
        "side": Side(jnp.arange(length)[None], jnp.ones((1, length), jnp.int32)),
        "codes": codes,
        "relations": relations,
    }


def gradient(form: str, lags: Lags) -> Any:
    """Forward and backward of attention in one form: "reference", "folded" or "rope" (without H-RPE)."""

    def total(arrays: dict[str, Any], rest: dict[str, Any]) -> jax.Array:
        q, k, v, relations = (arrays[name] for name in ("q", "k", "v", "relations"))
        sides = [[hrpe.lag(rest["codes"], pair[i]) for pair in lags] for i in (0, 1)]
        terms: dict[str, Any] = {}
        if form == "reference":
            terms = {"bias": hrpe.bias(*sides, relations, q), "implementation": "reference"}
        elif form == "folded":
            terms = {"features": hrpe.join([hrpe.fold(*sides, relations, q)])}
        return jnp.sum(attention(q, k, v, rest["side"], rest["side"], **terms).astype(jnp.float32))

    return jax.jit(jax.grad(total))


def _run(function: Any, *arrays: Any) -> None:
    jax.block_until_ready(function(*arrays))


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lengths", default="256,512,1024,2048,4096,8192")
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--lags", type=int, default=len(ALL_LAGS), help="how many of the default lags")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--time_up_to", type=int, default=4096)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    lags = ALL_LAGS[: args.lags]
    forms = {form: gradient(form, lags) for form in ("rope", "folded", "reference")}
    rows, figures = [], []
    for length in (int(n) for n in args.lengths.split(",")):
        case = make(length, args.heads, args.width, jnp.dtype(args.dtype), lags)
        arrays = {name: case[name] for name in ("q", "k", "v", "relations")}
        rest = {name: case[name] for name in ("side", "codes")}
        memory = {
            form: run.lower(arrays, rest).compile().memory_analysis().temp_size_in_bytes / 2**20
            for form, run in forms.items()
        }
        figure: dict[str, Any] = {"length": length, "temporaries_mib": memory}
        if length <= args.time_up_to:
            timed = {form: functools.partial(_run, forms[form], arrays, rest) for form in ("folded", "rope")}
            seconds = in_turns(timed, args.rounds)
            figure["folded_over_rope"] = ratio(seconds["folded"], seconds["rope"])
        figures.append(figure)
        shown = f"{figure['folded_over_rope']:.2f}" if "folded_over_rope" in figure else ""
        rows.append((length, *(f"{memory[form]:.1f}" for form in ("rope", "folded", "reference")), shown))
    implementation = choose("auto", case["q"], case["k"])
    print(
        f"Implementation {implementation}, {args.heads} heads of {args.width}, {len(lags)} relations, one row"
    )
    print_table(("length", "RoPE, MiB", "folded, MiB", "dense bias, MiB", "time, folded / RoPE"), rows)
    settings = {key: value for key, value in vars(args).items() if key != "json"}
    store(args.json, {**place(), "implementation": implementation, "settings": settings, "figures": figures})


if __name__ == "__main__":
    main()
