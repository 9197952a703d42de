"""The answer to "why" in one sentence: the decision, its time, its numbers, and what began it.

It is made from the tree of causes alone, so it says nothing that the tree does not show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...domain.aggregates.base import ACTOR
from ...domain.events import (
    AdapterAnswered,
    AdapterEvaluated,
    AdapterPromoted,
    AdapterRegistered,
    AdapterRejected,
    AdapterRolledBack,
    CanaryAssessed,
    CycleOpened,
    HeldOutJudged,
    PolicyChanged,
    RatingThresholdBreached,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
)
from ...projections.explain.assignments import SENT_BY
from ...projections.explain.tree import Node, walk
from ...projections.wording.sentences import count, say_value, short_text

DECISIVE = (
    AdapterRegistered, AdapterEvaluated, AdapterAnswered, HeldOutJudged, AdapterRejected, RolloutStarted, RolloutPaused,
    RolloutResumed, AdapterPromoted, AdapterRolledBack,
)  # fmt: skip
"""The events that decide an adapter's status: the last of them counts."""

SHOWN = 160
"""Characters of a reason that the sentence quotes; the tree has the whole reason."""

Show = Callable[[str], str]
"""Formats a time, ISO 8601, for the reader."""


def answer(about: Mapping[str, Any], roots: Sequence[Node], show: Show) -> str:
    """The sentence for an adapter, a run, a rollout or a setting, as ``Explanation.about`` names it."""
    if "setting" in about:
        return _setting(about, roots, show)
    if "run" in about:
        return _run(about, roots[0], show)
    return _adapter(about, [*walk(roots)], show)


def _adapter(about: Mapping[str, Any], nodes: Sequence[Node], show: Show) -> str:
    """The present status of the adapter, or of its rollout, and the reason."""
    name = about["adapter"]
    own = sorted((node for node in nodes if node.data.get("adapter") == name), key=lambda item: item.position)
    kinds = {kind.TOPIC for kind in DECISIVE}
    last = next((node for node in reversed(own) if node.kind in kinds), None)
    if last is None:
        return f"{name} is {about['status']}."
    sentence = f"{_decision(name, last, own, show)}{_after(nodes, last)}."
    later = (node for node in nodes if node.kind == AdapterPromoted.TOPIC and node.data["replaced"] == name)
    replaced = next((node for node in later if node.position > last.position), None)
    if replaced is not None:
        sentence += f" {replaced.data['adapter']} replaced it on {show(replaced.time)}."
    elif last.kind != AdapterPromoted.TOPIC and about["status"] == "live":
        sentence += " It is live again."
    return sentence


def _decision(name: str, last: Node, own: Sequence[Node], show: Show) -> str:
    """The last decision, its time and its reason."""
    when, data = show(last.time), last.data
    reason = short_text(str(data.get("reason", "")), SHOWN).rstrip(".")
    by = "" if last.actor == ACTOR else f" by {last.actor}"
    match last.kind:
        case AdapterPromoted.TOPIC:
            how = "rolled forward" if data.get("cause") == "forward" else "promoted"
            return f"{name} was {how} on {when}{by} because {_why(last, own) or _quoted(reason, by)}"
        case AdapterRolledBack.TOPIC:
            to = data["stable"] or "the base"
            return f"{name} was rolled back on {when}{by}, to {to}, because {_quoted(reason, by)}"
        case AdapterRejected.TOPIC:
            return f"{name} was rejected on {when}, before it had any traffic: {reason}"
        case RolloutPaused.TOPIC:
            return f"The rollout of {name} was paused on {when}{by}, and waits for a person: {reason}"
        case RolloutStarted.TOPIC | RolloutResumed.TOPIC:
            looks = [event for event in own if event.kind == CanaryAssessed.TOPIC]
            so_far = f"; the last verdict was {looks[-1].data['verdict']}: {_message(looks[-1])}" if looks else ""
            return f"{name} is a canary since {when}, and nothing is decided yet{so_far}"
        case HeldOutJudged.TOPIC:
            return f"{name} was judged on {when}, {data['verdict']}: {short_text(data['message'], SHOWN)}"
        case AdapterEvaluated.TOPIC:
            return f"{name} was proven on {when}, and its gate comes next"
        case AdapterAnswered.TOPIC:
            return f"{name} answered by its name on {when}, which is less than a proof, and its gate comes next"
    return f"{name} was registered on {when}, and its proof comes next"


def _why(promoted: Node, own: Sequence[Node]) -> str:
    """The numbers of the verdict that the program promoted by; empty where a person decided, or there are none."""
    looks = [event for event in own if event.kind == CanaryAssessed.TOPIC and event.position < promoted.position]
    if promoted.actor != ACTOR or not looks or looks[-1].data["verdict"] != "promote":
        return ""
    begun = [event for event in own if event.kind == RolloutStarted.TOPIC and event.position < promoted.position]
    stable = (begun[-1].data["stable"] if begun else None) or "base"
    canary, other = (_succeeded(looks[-1].data["numbers"].get(arm) or {}) for arm in ("canary", "stable"))
    if canary is None:
        return ""
    return f"{canary} canary runs succeeded" + (f" ({stable}: {other})" if other is not None else "")


def _succeeded(arm: Mapping[str, Any]) -> str | None:
    """``41 of 44``; None where no run was counted."""
    runs, share = arm.get("runs") or 0, arm.get("success")
    succeeded = arm.get("succeeded", None if share is None else round(share * runs))
    return f"{succeeded:.4g} of {runs}" if runs and succeeded is not None else None


def _after(nodes: Iterable[Node], last: Node) -> str:
    """What the training began with."""
    for node in nodes:
        if node.kind == RatingThresholdBreached.TOPIC and node.position < last.position:
            data = node.data
            return f", after {count(data['count'], 'rating')} of mean {data['mean']:.2f} led to its training"
        if node.kind == CycleOpened.TOPIC and node.position < last.position:
            return f", after {node.actor} asked for its training ({_reason(node.data['reason'])})"
    return ""


def _message(look: Node) -> str:
    return short_text(str(look.data["message"]), SHOWN)


def _reason(reason: object) -> str:
    return short_text(str(reason), SHOWN).rstrip(".") or "no reason given"


def _quoted(reason: str, by: str) -> str:
    """The reason; a person's reason in quotes."""
    return f'of this: "{reason or "no reason given"}"' if by else reason or "no reason is recorded"


def _run(about: Mapping[str, Any], root: Node, show: Show) -> str:
    """The adapter of the run, and how it was assigned."""
    own, run = root.children[0], f"Run {about['run'][:8]}"
    data, name = own.data, about["adapter"] or "the base"
    if own.kind == "Import":
        return f"{run} was imported by {root.actor} on {show(root.time)}: another program made it."
    if proxy := data.get(SENT_BY):
        return f"{run} used {name} because {proxy} sent it to a process that is pinned to that by LORA_VERSION."
    if data["arm"] == "pinned":
        return f"{run} used {name} because {root.actor} pinned it to that."
    if data["rollout"] is None:
        return f"{run} used {name} because no rollout was under way on {show(root.time)}, and {name} was live."
    arm = "the canary" if data["arm"] == "canary" else "the stable arm"
    if data["follows"] is not None:
        return f"{run} used {name}, {arm}, because its session was drawn for that arm at position {data['follows']}."
    is_under = data["drawn"] * 100 < data["share_percent"]
    side, share = "under" if is_under else "not under", data["share_percent"] / 100
    return f"{run} used {name}, {arm}, because its draw of {data['drawn']:.4f} is {side} the canary's share of {share:.2f}."


def _setting(about: Mapping[str, Any], nodes: Sequence[Node], show: Show) -> str:
    """Who set it last, the value before, and the reason."""
    key, value = about["setting"], say_value(about["value"])
    in_force = [node for node in nodes if node.kind == PolicyChanged.TOPIC and node.data["until"] is None]
    exact = [node for node in in_force if node.data["key"] == key] or [
        node for node in in_force if key.endswith(node.data["key"])
    ]
    if not exact:
        return f"{key} is {value}, its default: no person has changed it."
    last = exact[-1]
    named = "it" if last.data["key"] == key else last.data["key"]
    again, did = (" again", "unset") if last.data.get("is_unset") else ("", "set")
    who = f"{last.actor} {did} {named} on {show(last.time)}, from {say_value(last.data['old'])}"
    return f"{key} is {value}{again} because {who}: {_reason(last.data['reason'])}."
