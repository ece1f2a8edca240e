"""What a model is: the part of a config that a trained model keeps; see ``config``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hrpe_jax.errors import UserError

Variant = Literal["none", "tables", "query", "lagged", "symmetric", "theory", "placebo", "z12"]
Remat = Literal["none", "full", "dots", "dots_no_batch"]
Attention = Literal["auto", "reference", "xla", "cudnn", "splash"]
Lags = tuple[tuple[int, int], ...]
ALL_LAGS: Lags = ((0, 0), (0, 1), (1, 2), (2, 3), (3, 4))


def check(holds: bool, message: str) -> None:
    """Raises ``UserError`` unless ``holds``. Messages begin with the field; ``build`` adds its path."""
    if not holds:
        raise UserError(message)


def at_least(config: Any, low: float, *names: str) -> None:
    """Checks that fields are not below ``low``."""
    for name in names:
        value = getattr(config, name)
        check(value >= low, f"{name}: at least {low} expected, got {value}")


@dataclass(frozen=True, kw_only=True)
class HarmonyConfig:
    """Harmonic Relative Positional Encoding: which relations attention sees.

    Attributes:
      variant: the rungs of the ablation. "none": plain RoPE; "tables": learned directed tables A, C, D at lag
        (0, 0); "query": the query-dependent table E as well; "lagged": "query" at every lag in ``lags``. And
        its controls, each at lag (0, 0): "symmetric": "query" with A[n] = A[-n] and C, D symmetric; "theory":
        a learned weight for each published distance between chords, nothing else; "placebo": "query" with
        the roots shuffled, so that intervals mean nothing; "z12": no tables, queries and keys turned by
        multiples of 2 pi root / 12.
      lags: pairs (a, b): the chord a events before the query against the chord b events before the key.
      head_sets: several tuples of lags in place of ``lags`` ("lagged" only): heads are divided evenly among
        them in order, so that each head has few relations and few extra features; () gives all lags to every
        head.
      motions: pairs (a, b) as in ``lags`` ("lagged" only), in every head: the root's motion into the chord a
        events before the query against that into the chord b events before the key (``ops.hrpe.motion``), so
        that a progression is found in any transposition. ``lags`` may then be ().
    """

    variant: Variant = "lagged"
    lags: Lags = ALL_LAGS
    head_sets: tuple[Lags, ...] = ()
    motions: Lags = ()

    def __post_init__(self) -> None:
        check(len(self.lags) > 0 or len(self.motions) > 0, "lags: at least one pair expected")
        named = (("lags", self.lags), *(("head_sets", lags) for lags in self.head_sets))
        for name, lags in (*named, ("motions", self.motions)):
            check(len(lags) > 0 or name != "head_sets", f"{name}: at least one pair expected")
            check(len(set(lags)) == len(lags), f"{name}: each pair once, got {lags}")
            check(
                min((min(pair) for pair in lags), default=0) >= 0,
                f"{name}: no lag looks ahead, got {lags}",
            )
        check(
            not self.head_sets or self.variant in ("lagged", "none"),
            f"head_sets: only the variant lagged has several lags, got variant={self.variant}",
        )
        check(
            not self.motions or self.variant in ("lagged", "none"),
            f"motions: only the variant lagged has motions, got variant={self.variant}",
        )

    @property
    def sets(self) -> tuple[Lags, ...]:
        """The lags in force, one tuple for each group of heads; () without tables."""
        if self.variant in ("none", "z12"):
            return ()
        if self.variant == "lagged":
            return self.head_sets or (self.lags,)
        return (((0, 0),),)

    @property
    def relations(self) -> Lags:
        """All lags in force, each once, in order."""
        return tuple(dict.fromkeys(pair for lags in self.sets for pair in lags))

    @property
    def motions_in_force(self) -> Lags:
        """The pairs over motions, () without tables."""
        return self.motions if self.sets else ()

    @property
    def reach(self) -> int:
        """How many events before the first key the relations look at."""
        motions = (max(pair) + 1 for pair in self.motions_in_force)  # a motion comes from the event before
        return max((*(max(pair) for pair in self.relations), *motions), default=0)

    @property
    def turns(self) -> bool:
        """Whether queries and keys are also turned by their roots (Z12 rotary)."""
        return self.variant == "z12"

    @property
    def query_dependent(self) -> bool:
        """Whether the query decides which relations it seeks (table E)."""
        return self.variant in ("query", "lagged", "symmetric", "placebo")


@dataclass(frozen=True, kw_only=True)
class MelodyHarmonyConfig(HarmonyConfig):
    """H-RPE in the melody stage.

    Attributes:
      codes: what is related. "none": nothing, the plain Transformer-XL; "melody": pitch class, duration class
        and degree over the chord; "chord": root, quality and function of the chord sounding at each event.
    """

    variant: Variant = "query"
    codes: Literal["none", "melody", "chord"] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self.variant != "theory" or self.codes != "melody",
            "variant: theory knows distances between chords; set codes to chord",
        )

    @property
    def sets(self) -> tuple[Lags, ...]:
        """The lags in force, () without codes."""
        return () if self.codes == "none" else super().sets

    @property
    def turns(self) -> bool:
        """Whether queries and keys are turned by their codes, never without codes."""
        return self.codes != "none" and super().turns


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What the models of both stages share.

    Attributes:
      width: of the residual stream.
      layers: number of blocks.
      heads: attention heads per block.
      head_width: width of one head's queries, keys and values; even, for RoPE.
      mlp_width: of the gated MLP.
      residual_rank: rank of the per-id residual beside the factor tables of embedding and head; 0 for none.
      dropout: rate, in training only.
      attention: the implementation (``ops.attention``); "auto" takes the platform's fused kernel.
      dtype: of the computation; parameters, softmax and loss stay float32.
      remat: what of a block's activations the backward pass computes again instead of keeping it. "none":
        nothing; "full": everything; "dots": all but matrix products; "dots_no_batch": all but products with
        parameters, so the products of attention too.
      scan_layers: compile one block and scan it over the layers; a CPU runs few layers one by one all the
        same, from the same parameters (``models.layers.UNROLLED``).
      rope_base: longest RoPE wavelength over 2 pi, in events.
      repeats: events of the song so far among which the longest earlier agreement with the latest events is
        looked for (``ops.repeats``); what followed it is an input, which the model may copy. 0 for none.
      plan: whether every event sees the plan of its piece (``codec.plan``): form, place in it, attributes;
        and what stood at the aligned bar of the section that comes again.
      plan_dropout: share of training rows to which each part of the plan is unknown.
      pointer_dropout: share of training rows without the candidates of ``repeats`` (and, drawn apart, of
        ``phrases`` and of earlier bars), so that the model does not lean on them alone.
    """

    width: int = 192
    layers: int = 4
    heads: int = 6
    head_width: int = 32
    mlp_width: int = 512
    residual_rank: int = 32
    dropout: float = 0.1
    attention: Attention = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    remat: Remat = "none"
    scan_layers: bool = True
    rope_base: float = 10000.0
    repeats: int = 0
    plan: bool = False
    plan_dropout: float = 0.1
    pointer_dropout: float = 0.0

    def __post_init__(self) -> None:
        at_least(self, 1, "width", "layers", "heads", "head_width", "mlp_width")
        at_least(self, 0, "residual_rank", "repeats")
        check(self.repeats != 1, "repeats: 0 (none) or at least 2 events expected, got 1")
        check(
            self.attention != "cudnn" or self.dtype == "bfloat16",
            f"attention: cudnn computes in bfloat16, not in {self.dtype}; set dtype, or use auto",
        )
        check(
            self.head_width % 2 == 0, f"head_width: even expected (RoPE turns pairs), not {self.head_width}"
        )
        for name in ("dropout", "plan_dropout", "pointer_dropout"):
            rate = getattr(self, name)
            check(0 <= rate < 1, f"{name}: in [0, 1) expected, got {rate}")
        check(self.rope_base > 1, f"rope_base: above 1 expected, got {self.rope_base}")

    @classmethod
    def upgrade(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a model of an earlier version calls by other names: remat was a bool."""
        remat = {"remat": "full" if values["remat"] else "none"} if type(values.get("remat")) is bool else {}
        return {**values, **remat}


@dataclass(frozen=True, kw_only=True)
class BackboneModelConfig(ModelConfig):
    """The chord Transformer.

    Attributes:
      harmony: its H-RPE.
      input_features: whether root, quality, function and bar phase are embedded at the input.
      token_shift: whether the event before is seen at the input too, by a matrix of its own.
      phrases: bars after which songs come back to what they said: what stood so many bars before the next
        event (``ops.phrases``) is an input, which the model may copy. None: ().
      motion_input: whether the root's motion into each event is embedded at the input.
      transposed_repeats: as ``repeats``, with roots as motions: what followed the longest earlier agreement
        in any transposition, moved to the present root (``models.transposed_search``). 0 for none.
      transposed_phrases: as ``phrases``, with roots as motions. None: ().
    """

    harmony: HarmonyConfig = field(default_factory=HarmonyConfig)
    input_features: bool = True
    token_shift: bool = True
    phrases: tuple[int, ...] = ()
    motion_input: bool = False
    transposed_repeats: int = 0
    transposed_phrases: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("phrases", "transposed_phrases"):
            bars = getattr(self, name)
            check(
                all(n >= 1 for n in bars) and list(bars) == sorted({*bars}),
                f"{name}: different numbers of bars in ascending order expected, got {list(bars)}",
            )
        at_least(self, 0, "transposed_repeats")
        check(
            self.transposed_repeats != 1,
            "transposed_repeats: 0 (none) or at least 2 events expected, got 1",
        )


@dataclass(frozen=True, kw_only=True)
class MelodyModelConfig(ModelConfig):
    """The melody Transformer-XL.

    Attributes:
      memory: events remembered from before the segment; 0 for none.
      harmony: its H-RPE.
      conditioning: "chords": each event sees the chord that sounds and the one to come; "present": only the
        one that sounds; "none": neither. The last two are controls for what chords tell.
      chord_tones: whether pitches are also known by what they are to the notes of the chord, as sets: chord
        tone, a step above or below one. All qualities share that, so it holds for chords not met in training.
      bar_lags: bars to look back for what came at the same place of the bar (``ops.aligned``); with ``plan``
        the aligned bar of a section that comes again is one more. None: ().
    """

    memory: int = 256
    harmony: MelodyHarmonyConfig = field(default_factory=MelodyHarmonyConfig)
    conditioning: Literal["chords", "present", "none"] = "chords"
    chord_tones: bool = False
    bar_lags: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 0, "memory")
        check(
            all(bars >= 1 for bars in self.bar_lags) and list(self.bar_lags) == sorted({*self.bar_lags}),
            f"bar_lags: different numbers of bars in ascending order expected, got {list(self.bar_lags)}",
        )
        check(
            self.conditioning != "none" or self.harmony.codes != "chord",
            "conditioning: without chords harmony.codes cannot be those of chords; set it to none or melody",
        )
