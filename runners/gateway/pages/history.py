"""The past: the log event by event, why a thing is as it is, and the state at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ....domain.aggregates.base import OWN_NAMES
from ....domain.events import EVENTS, TaskRated
from ....projections.explain.history import family_of, read_parents
from ....projections.explain.standing.summary import RoleSummary
from ....projections.explain.tree import Node, walk
from ....projections.wording.sentences import describe, short_text
from ...explain.answers import answer
from ...explain.curves import TONES, draw_looks, draw_ratings, say_moment
from ...explain.descent import draw_descent
from ...explain.event_list import list_entries, require_event, show_line
from ...explain.explanation import explain
from ...explain.histories import following
from ...store.port import LARGEST
from ...store.states import load_state
from ...use_cases.lookups import adapter_names, find_position, read_moment
from ...use_cases.overview import status_of, view_rollout
from ...wiring.services import require_adapter
from ..site.visit import View, Visit

if TYPE_CHECKING:
    from ...store.codec import Recorded
    from ...store.log import Log

AT_ONCE = 50
"""Events of one page; chosen."""
MOST = 1000
EFFECTS = 50
"""Effects of an event that its page lists; chosen."""
MOST_FOLDED = 50_000
"""Events that the curves of an explanation are folded from, at most; chosen: that takes about a second."""
FILTER = ("event", "id", "actor", "before", "after", "around", "limit")
LONGEST = 200
"""Characters of a list of runs that are shown at once, the rest when it is opened; chosen."""


def say_iso(time: str) -> str:
    """The time, ISO 8601, for people: to the minute, in UTC."""
    return say_moment(datetime.fromisoformat(time))


def list_events(visit: Visit) -> View:
    """The events that meet the conditions in the address, the newest first, a page at a time."""
    log, query = visit.ledger, visit.query
    names = [require_event(name) for name in query.several("event") if name.strip()]
    prefix = query.one("id").lower().replace("-", "")
    actor = query.one("actor")
    limit = query.number("limit", 1, MOST) or AT_ONCE
    before, after = query.number("before", 1, LARGEST), query.number("after", 0, LARGEST)
    around = query.number("around", 1, LARGEST)
    if around is not None:
        before, after = min(around + limit // 2, log.position) + 1, None
    events = _select(log, names, prefix, actor, before, after, limit)
    entries = [
        {**entry, "text": describe(shown.event), "is_sought": shown.position == around}
        for entry, shown in zip(list_entries(log, events), map(log.reveal, events), strict=True)
    ]
    last = log.position
    data = {
        "events": entries,
        "filter": {"event": names[0] if names else "", "id": prefix, "actor": actor, "before": before, "after": after},
        "kinds": sorted(EVENTS),
        "last": last,
        "older": entries[-1]["position"] if len(entries) == limit and entries[-1]["position"] > 1 else None,
        "newer": entries[0]["position"] if entries and entries[0]["position"] < last else None,
        "around": around,
        "limit": limit,
    }
    return View("log", "Log", data)


def _select(
    log: Log, names: Sequence[str], prefix: str, actor: str, before: int | None, after: int | None, limit: int
) -> list[Recorded]:
    """The newest first: those before a position, or else the first after one."""
    key = _key_of(log, actor)
    if key is None:
        return []
    holding = f'"{key}"'.encode() if key else b""

    def is_wanted(recorded: Recorded) -> bool:
        return not key or recorded.event.actor == key

    if before is None and after is not None:
        rising = (
            recorded
            for recorded in log.read(after + 1, None, names)
            if recorded.event.originator_id.hex.startswith(prefix) and is_wanted(recorded)
        )
        return [*islice(rising, limit)][::-1]
    falling = log.read_back(names, holding, prefix, before=before or LARGEST, after=after or 0)
    return [*islice(filter(is_wanted, falling), limit)]


def _key_of(log: Log, actor: str) -> str | None:
    """What events have in place of the actor's name; None where no event can have it, empty for everybody."""
    if not actor or actor in OWN_NAMES:
        return actor
    return log.find_name(actor)


def show_event(visit: Visit) -> View:
    """One event: its data, its cause, and what followed from it. Raises ``NotFound``, ``NotPossible``."""
    log = visit.ledger
    position = find_position(log, read_moment(visit.name("position"), UTC))
    recorded = log.at(position)
    [entry] = list_entries(log, [recorded])
    reference = f'"{recorded.event.reference}"'.encode()
    named = log.read_back(holding=reference, after=position)
    effects = [*islice((each for each in named if each.event.caused_by == recorded.event.reference), EFFECTS)]
    data = {
        **entry,
        "text": describe(log.reveal(recorded).event),
        "cause": None if entry["caused_by"] is None else show_line(log, log.at(entry["caused_by"])),
        "effects": [show_line(log, each) for each in reversed(effects)],
        "last": log.position,
        "is_run": entry["aggregate"] == "TaskRun",
    }
    return View("event", f"{entry['event']}, position {position}", data)


def explain_name(visit: Visit) -> View:
    """Why the adapter, setting, run or rollout is as it is: the sentence, the tree, and the curves. Raises ``NotFound``."""
    log = visit.ledger
    with_ratings = visit.query.flag("ratings")
    state = load_state(log)
    explained = explain(log, state, visit.name("name"))
    family = family_of(state, explained.role, read_parents(log))
    first, last = _folded(log.position, [node.position for node in walk(explained.roots)])
    anchors = {node.position for node in walk(explained.roots) if with_ratings or node.kind != TaskRated.TOPIC}
    with following(log, explained.role, explained.rollout, explained.keys, first=first, last=last) as history:
        drawings = {
            "looks": Markup(draw_looks(history, anchors)),
            "ratings": Markup(draw_ratings(history, anchors)),
            "descent": Markup(draw_descent(family, explained.about.get("adapter"))),
        }
    data = {
        **explained.about,
        "tree": _nodes(explained.roots, with_ratings, set()),
        "about": explained.about,
        "answer": answer(explained.about, explained.roots, say_iso),
        "heading": explained.title,
        "position": state.position,
        "curves": {"first": first, "last": last or state.position},
        "with_ratings": with_ratings,
    }
    return View("why", f"Why {short_text(visit.name('name'), 60)}", data, drawings)


def _folded(position: int, causes: Sequence[int]) -> tuple[int, int | None]:
    """The first and the last position of the events that the curves are of: all of the log, or the part up to and around the
    newest cause that can be folded while a person waits. None is the end of the log, which the curves follow."""
    if position <= MOST_FOLDED:
        return 1, None
    half = MOST_FOLDED // 2
    last = min(position, max(causes, default=position) + half)
    # In steps of a half, so that a growing log seldom moves it: what was folded is kept, and goes on from there.
    return max(0, last - half) // half * half + 1, None if last == position else last


def _nodes(nodes: Sequence[Node], with_ratings: bool, seen: set[int]) -> list[dict[str, Any]]:
    """The tree, JSON-plain, each node with how it is drawn.

    A node that ``is_first`` of its position is the target of links to that position. A rating that is not shown is hidden.
    """
    rows = []
    for node in nodes:
        is_hidden = node.kind == TaskRated.TOPIC and not with_ratings
        is_first = not is_hidden and node.position not in seen
        if is_first:
            seen.add(node.position)
        is_long = node.kind == "Source" and len(node.text) > LONGEST
        rows.append(
            {
                **node.to_json(),
                "brief": short_text(node.text, LONGEST) if is_long else "",
                "tone": TONES.get(str(node.data.get("verdict") or node.kind), ""),
                "is_first": is_first,
                "is_hidden": is_hidden,
                "children": _nodes(node.children, with_ratings, seen),
            }
        )
    return rows


def show_moment(visit: Visit) -> View:
    """The state at a position or a time, of all or of one adapter; without a moment, the form. Raises ``GrokputerError``."""
    log, moment, adapter = visit.ledger, visit.query.one("moment"), visit.query.one("adapter")
    names = adapter_names(log)
    data: dict[str, Any] = {"moment": moment, "adapter": adapter, "names": names, "then": None, "last": log.position}
    if not moment:
        return View("at", "The state at any moment", data)
    position = find_position(log, read_moment(moment, UTC))
    state = load_state(log, position)
    then = status_of(log, state, is_now=False)
    if adapter:
        require_adapter(adapter, state.registry.adapters, f"at position {position}: ")
    rollout = state.rollouts.of_adapter(adapter) if adapter else None
    data |= {
        "then": then.to_json(),
        "adapters": [
            {**row.details, "ratings": row.ratings, "mean": row.mean}
            for row in then.adapters
            if adapter in ("", row.name)
        ],
        "roles": [_role(role) for role in then.roles if role.has_data],
        "rollout": None if rollout is None else {**view_rollout(log, state, rollout), "numbers": None},
    }
    return View("at", f"At position {position}", data)


def _role(role: RoleSummary) -> dict[str, Any]:
    canary = role.canary
    return {
        "role": role.role,
        "live": role.live,
        "mean": role.mean,
        "ratings": role.ratings,
        "runs": role.runs,
        "success": role.success,
        "stage": role.stage,
        "canary": None if canary is None else {"adapter": canary.adapter, "weight_percent": canary.weight_percent},
        "waits_for": role.waits_for.message,
    }
