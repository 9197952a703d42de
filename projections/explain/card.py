"""The model card of an adapter: what 'why' knows of it in figures, for people who meet the adapter outside its log.

It quotes no person: no task, answer, comment, reason or name, because a card is published and cannot be erased.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from uuid import UUID

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
    DatasetBuilt,
    HeldOutJudged,
    RatingThresholdBreached,
    RolloutStarted,
    TrainingCompleted,
    TrainingRequested,
)
from ..state.registry import Adapter
from .lineage import trace
from .tree import Lookup, Node, walk

OF_A_PERSON = {
    CycleOpened.TOPIC: "a person asked for its training",
    AdapterPromoted.TOPIC: "a person made it live",
    AdapterRolledBack.TOPIC: "a person rolled it back",
}
"""What a card says of a person's decision, whose reason it does not quote."""

SHOWN = (
    *OF_A_PERSON,
    *(
        fact.TOPIC
        for fact in (
            RatingThresholdBreached,
            TrainingRequested,
            DatasetBuilt,
            TrainingCompleted,
            AdapterRegistered,
            AdapterEvaluated,
            AdapterAnswered,
            HeldOutJudged,
            AdapterRejected,
            RolloutStarted,
            CanaryAssessed,
        )
    ),
)
"""The events that a card tells, by topic."""


def write_card(log: Lookup, adapter: Adapter, *, is_merged: bool = False) -> str:
    """The card, Markdown with the front matter of the Hugging Face Hub.

    ``is_merged`` is for a whole model that has the adapter in it.
    """
    registered = next(placed for placed in log.history(UUID(adapter.id)) if isinstance(placed.event, AdapterRegistered))
    roots = trace(log, UUID(adapter.id))
    lines = [*_front_matter(adapter, is_merged), f"# {adapter.name}", "", _begin(adapter, is_merged), ""]
    lines += ["## Why it exists", "", *_story(roots), "", "## What it is", "", *_identity(adapter, registered.position)]
    if not is_merged:
        lines += ["", "## Use it", "", *_use(adapter)]
    return "\n".join(lines) + "\n"


def _front_matter(adapter: Adapter, is_merged: bool) -> Iterator[str]:
    yield "---"
    if _is_on_the_hub(adapter.base):
        yield f"base_model: {json.dumps(adapter.base.partition('@')[0])}"
    yield f"library_name: {'transformers' if is_merged else 'peft'}"
    yield "tags: [grokputer, lora]"
    yield "---"


def _begin(adapter: Adapter, is_merged: bool) -> str:
    base = adapter.base.partition("@")[0]
    made = (
        f"`{base}` with the LoRA adapter `{adapter.name}` merged into it"
        if is_merged
        else f"A LoRA adapter of `{base}`"
    )
    parent = f", trained after `{adapter.parent}` was live" if adapter.parent else ""
    return f"{made}, for the role `{adapter.role}`{parent}. Grokputer trained it on runs that went wrong."


def _story(roots: Sequence[Node]) -> Iterator[str]:
    told = [node for node in walk(roots) if node.kind in SHOWN]
    for node in sorted(told, key=lambda node: node.position):
        if node.actor == ACTOR or node.kind not in OF_A_PERSON:
            yield f"- {_escape(node.brief or node.text)} (event {node.position})"
        else:
            yield f"- {OF_A_PERSON[node.kind]} (event {node.position})"


def _identity(adapter: Adapter, position: int) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    rows = {
        "weights": adapter.weights,
        "dataset": adapter.dataset,
        "base": adapter.base,
        "base, its hash": adapter.base_hash,
        "registered": f"event {position}, {adapter.registered}",
    }
    for name, value in rows.items():
        yield f"| {name} | `{_escape(value)}` |"
    yield ""
    yield f"The log of its origin proves all this: `grokputer why {adapter.name}` there."


def _use(adapter: Adapter) -> Iterator[str]:
    yield "Serve it unmerged, on the base with this hash, quantised as it was trained:"
    yield ""
    yield "```python"
    yield "from peft import PeftModel"
    yield ""
    yield 'model = PeftModel.from_pretrained(base, "FOLDER")'
    yield "```"
    yield ""
    yield "`sha256sum -c SHA256SUMS` checks its files; the hash of that file itself is the hash of the weights."


def _is_on_the_hub(base: str) -> bool:
    name = base.partition("@")[0]
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


def _escape(text: str) -> str:
    """The text without what Markdown or HTML would read as its own."""
    for sign, written in {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'", "|": "\\|", "\n": " "}.items():
        text = text.replace(sign, written)
    return text
