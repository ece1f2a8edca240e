"""Why the chords of a state stand where they stand: what the model expected, and what it looked at."""

from __future__ import annotations

from typing import Any

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.backbone import encode_ids
from hrpe_jax.errors import UserError
from hrpe_jax.formats.page.html import pretty
from hrpe_jax.server.state import State, known_form
from hrpe_jax.theory.chord import Chord, to_lead_sheet


def explain_chords(composer: Any, state: State) -> dict[str, Any]:
    """Explains every chord.

    Args:
        composer: with a `model`.
        state: whose chords are explained; its form and style are the plan that the model reads with them.

    Returns:
        `style`, that of the plan ("" for a model that reads no plans), `form`, the sections of the plan as
        `[letter, first bar, bars]`, and `chords`, for each event of the model its `tick`, `chord`,
        `probability`, `others` (symbol, probability) and `links` (place of the earlier event or -1 for the
        beginning, share of attention, and what content, distance and harmony add, in nats).

    Raises:
        UserError: the model has no chord stage.
    """
    from hrpe_jax.sampling.explain import explain
    from hrpe_jax.sampling.planner import plan_of_chords

    model = getattr(composer, "model", None)
    if model is None or model.backbone is None:
        raise UserError("this model has no chord stage, so it cannot explain chords")
    ids = encode_ids(state.score)
    plan = plan_of_chords(model, known_form(state), len(state.bars), state.settings.style)
    events = [token for token in ids if tokens.KIND[token] == tokens.KIND_EVENT]
    key, beat, tick = state.score.key, state.score.meter.beat_ticks, 0
    found = []
    for token, choice in zip(events, explain(model, ids, plan=plan), strict=False):
        found.append(
            {
                "tick": tick,
                "chord": _name(tokens.id_chord(token), key),
                "probability": round(choice.probability, 4),
                "others": [[_name(chord, key), round(p, 4)] for chord, p in choice.alternatives],
                "links": [
                    [
                        link.event,
                        *(round(v, 3) for v in (link.weight, link.content, link.distance, link.harmony)),
                    ]
                    for link in choice.links
                ],
            }
        )
        tick += int(tokens.BEATS[token]) * beat
    form = () if plan is None else plan.form
    return {
        "style": "" if plan is None else plan.attributes.style,
        "form": [[section.letter, section.first_bar + 1, section.bars] for section in form],
        "chords": found,
    }


def _name(chord: Chord, key: Any) -> str:
    return pretty(to_lead_sheet(chord, key))
