"""Why a run used its adapters: the draw, computed again, and the traffic in force at the time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ...domain.events import (
    AdapterPromoted,
    AdapterRolledBack,
    Assignment,
    CanaryAssessed,
    CanaryWeightSet,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    SessionImported,
    StepTaken,
    TaskStarted,
)
from ...domain.rules.attribution import READER
from ...domain.rules.imported import IMPORTED, RECORDED, is_imported
from ...domain.rules.routing import DRAWN_BY, arm_of, draw
from ...domain.vocabulary import Arm, StepKind, Unit
from ..state.rollouts import Rollouts
from ..wording.steps import describe_finding, describe_plan, describe_purpose
from ..wording.words import reveal
from .lineage import trace_corrections
from .path import trace_path
from .tree import Lookup, Node, Placed, node_of

ROLLOUT_TOPICS = tuple(
    fact.TOPIC
    for fact in (
        AdapterPromoted,
        AdapterRolledBack,
        CanaryAssessed,
        CanaryWeightSet,
        RolloutPaused,
        RolloutResumed,
        RolloutStarted,
    )
)

SHOWN = 60
"""Characters of a task in words that are shown."""

SENT_BY = "sent_by"
"""The field of a draw with the proxy that sent the run to a process which is pinned to an adapter."""


def trace_run(log: Lookup, run: UUID) -> Node:
    """The run's start. Below it are the reason of each role's adapter, then the corrections.

    The roles are the run's own and each other role that may make a step in it.
    """
    started = next(placed for placed in log.history(run) if isinstance(placed.event, TaskStarted))
    assert isinstance(started.event, TaskStarted)
    event = reveal(started.event, log.get_content)
    before = _Before(log, started.position)
    node = node_of(log, started)
    own, begin = event.assignments[0], f"run {run.hex[:8]} of {_task(log, event)} started by {node.actor}"
    node.text = f"{begin}, role {event.role}: {_say_assignment(own)}"
    if is_imported(own):
        node.text = f"run {run.hex[:8]} of {_task(log, event)} imported by {event.actor}, role {event.role}"
        node.children = [_import(log, started)]
    else:
        node.children = [_explain(log, started, assignment, before) for assignment in event.assignments]
    node.children += [*_plans(log, run), *trace_corrections(log, run)]
    return node


def _plans(log: Lookup, run: UUID) -> list[Node]:
    """The plans of the run, each with its goals, and what was found after the steps that served them."""
    nodes: list[Node] = []
    for placed in log.history(run):
        step = placed.event
        if not isinstance(step, StepTaken):
            continue
        if step.kind == StepKind.PLAN:
            goals = describe_plan(log.get_content(step.answer), step.found)
            found = f" ({describe_finding(step.found)})" if step.found else ""
            text = f"{describe_purpose(step.kind, step.goal)} by {step.role} in step {step.step}{found}: {'; '.join(goals)}"
            nodes.append(Node("Plan", placed.position, text, {"step": step.step, "goals": goals}))
        elif nodes and step.goal and step.found:
            text = f"goal {step.goal}, step {step.step} by {step.role}: {describe_finding(step.found)}"
            nodes[-1].children.append(Node("Goal", placed.position, text, {"step": step.step, "goal": step.goal}))
    return nodes


def _import(log: Lookup, started: Placed) -> Node:
    """The node of a run that another program made, with its session."""
    assert isinstance(started.event, TaskStarted)
    event = reveal(started.event, log.get_content)
    own = event.assignments[0]
    version = (own["adapter"] or "").removeprefix(IMPORTED).removeprefix(":")
    named = f" with its adapter {version}" if version else ""
    text = f"role {event.role}: another program made it{named}; no adapter of this log answered, and no draw was made"
    sessions = [
        node_of(log, placed) for placed in log.history(event.originator_id) if isinstance(placed.event, SessionImported)
    ]
    return Node("Import", started.position, text, {**own}, children=sessions)


class _Before:
    """The traffic before a position, and the event that made each adapter live in its role.

    A run is drawn a moment before it is recorded, so it may have used an adapter that was no longer live.
    """

    def __init__(self, log: Lookup, position: int) -> None:
        self.rollouts = Rollouts()
        self.live_since: dict[tuple[str, str | None], Placed] = {}
        for placed in log.read(1, position - 1, ROLLOUT_TOPICS):
            role = getattr(placed.event, "role", "")
            stable = self.rollouts.traffic(role).stable
            self.rollouts.apply(placed.position, placed.event)
            if (live := self.rollouts.traffic(role).stable) != stable:
                self.live_since[role, live] = placed


def _explain(log: Lookup, started: Placed, assignment: Assignment, before: _Before) -> Node:
    """Why the assignment's adapter makes the steps of its role in the run."""
    event, role, own = started.event, assignment["role"], f"role {assignment['role']}"
    assert isinstance(event, TaskStarted)
    event = reveal(event, log.get_content)
    data: dict[str, Any] = {**assignment}
    node = Node("Draw", started.position, "", data)
    if proxy := event.policy.get(DRAWN_BY):
        node.text = f"{own}: {_say_proxy(proxy, assignment)}"
        node.data |= {SENT_BY: proxy}
        node.children = _live(log, role, assignment["adapter"], before)
        return node
    if assignment["arm"] == Arm.PINNED:
        within = f", in session {event.session}" if event.session else ""
        node.text = f"{own}: pinned to {_name(assignment['adapter'])} by {event.actor}{within}; no draw was made"
        node.children = [trace_path(log, assignment["adapter"], started.position)] if assignment["adapter"] else []
        return node
    if RECORDED in event.policy:
        node.text = f"{own}: another program made it with {_name(assignment['adapter'])}; no draw was made"
        return node
    if assignment["rollout"] is None:
        node.text = f"{own}: no rollout was under way, so all runs went to {_name(assignment['adapter'])}"
        if assignment["adapter"] is None and role != event.role:
            node.text = f"{own}: no adapter of its own was live, so {_say_other_maker(event, role)}"
        node.children = _live(log, role, assignment["adapter"], before)
        return node
    drawn, begin = _draw(log, started, assignment, before)
    data |= drawn
    node.text = f"{own}: {_say(drawn)}: {_say_assignment(assignment)}"
    if assignment["arm"] == Arm.CANARY and assignment["adapter"] is not None:
        node.children = [trace_path(log, assignment["adapter"], begin[0].position - 1), *begin]
    else:
        node.children = [*begin, *_live(log, role, assignment["adapter"], before)]
    return node


def _say_other_maker(event: TaskStarted, role: str) -> str:
    """Who makes the steps of a role without an adapter, beside the run's own role."""
    if any(setting.startswith(f"{role}.run.") for setting in event.policy):
        return "its own model makes its steps"
    return "its lines are laid out without a model" if role == READER else f"{_name(event.adapter)} makes its steps too"


def _draw(log: Lookup, started: Placed, assignment: Assignment, before: _Before) -> tuple[dict[str, Any], list[Node]]:
    """The figures of the draw, and the events behind the traffic: the start of the rollout, and the share in force."""
    event, rollout = started.event, assignment["rollout"] or ""
    assert isinstance(event, TaskStarted)
    history = [placed for placed in log.history(UUID(rollout)) if placed.position < started.position]
    began = history[0].event
    assert isinstance(began, RolloutStarted)
    shares = [placed for placed in history if isinstance(placed.event, (RolloutStarted, CanaryWeightSet))]
    name = (
        "canary_weight_percent" if assignment["role"] == event.role else f"{assignment['role']}.canary_weight_percent"
    )
    share = event.policy.get(name, before.rollouts.of(rollout).weight_percent)
    in_force = [placed for placed in shares if getattr(placed.event, "weight_percent", None) == share][-1:]
    by_session = began.unit == Unit.SESSION and event.session is not None
    seed = (event.session or "") if by_session else event.originator_id.hex
    fraction = draw(rollout, seed)
    first = _first_of_session(log, started, assignment["role"], rollout) if by_session else None
    drawn = {
        "unit": Unit.SESSION if by_session else Unit.RUN,
        "drawn_by": seed,
        "session": event.session,
        "drawn": fraction,
        "share_percent": share,
        "stable": began.stable,
        "canary": began.adapter,
        "follows": first,
        "is_drawn_so": first is not None or arm_of(fraction, share) == assignment["arm"],
    }
    return drawn, [node_of(log, placed) for placed in dict.fromkeys((shares[0], *in_force))]


def _first_of_session(log: Lookup, started: Placed, role: str, rollout: str) -> int | None:
    """The position of the session's first run in the rollout, whose arm later runs keep; None for the first run itself."""
    assert isinstance(started.event, TaskStarted)
    [begin, *_] = log.history(UUID(rollout))
    for placed in log.read(begin.position, started.position - 1, (TaskStarted.TOPIC,)):
        event = placed.event
        if not isinstance(event, TaskStarted) or event.session != started.event.session:
            continue
        if any((each["role"], each["rollout"]) == (role, rollout) for each in event.assignments):
            return placed.position
    return None


def _live(log: Lookup, role: str, adapter: str | None, before: _Before) -> list[Node]:
    """The event that made the adapter live, after the history of the adapter."""
    since = before.live_since.get((role, adapter))
    steps = [node_of(log, since)] if since is not None else []
    return [trace_path(log, adapter, since.position - 1), *steps] if adapter and since else steps


def _say(drawn: dict[str, Any]) -> str:
    """The draw in words."""
    if drawn["follows"] is not None:
        return f"session {drawn['drawn_by']} stays on the arm that its run at {drawn['follows']} was drawn for"
    of = f"session {drawn['drawn_by']}" if drawn["unit"] == Unit.SESSION else f"run {drawn['drawn_by'][:8]}"
    of += (
        f", by itself though part of session {drawn['session']},"
        if drawn["unit"] == Unit.RUN and drawn["session"]
        else ""
    )
    side = "under" if arm_of(drawn["drawn"], drawn["share_percent"]) == Arm.CANARY else "not under"
    share = f"the canary's share of {drawn['share_percent'] / 100:.2f}"
    odd = "" if drawn["is_drawn_so"] else "; recorded is another arm, drawn by other rules than today's"
    return f"the hash of {of} in the rollout is {drawn['drawn']:.4f}, {side} {share}{odd}"


def _say_proxy(proxy: str, assignment: Assignment) -> str:
    """Who drew, where a proxy did: its draw is not computed here."""
    counts = "it counts for neither arm" if assignment["arm"] == Arm.PINNED else _say_assignment(assignment)
    return f"{proxy} sent it to a process that is pinned to {_name(assignment['adapter'])}: {counts}"


def _say_assignment(assignment: Assignment) -> str:
    return f"{assignment['arm']} arm, {_name(assignment['adapter'])}"


def _name(adapter: str | None) -> str:
    return adapter or "the base"


def _task(log: Lookup, event: TaskStarted) -> str:
    if not event.is_in_words:
        return f"{event.task} (seed {event.seed})"
    words = " ".join((log.get_content(event.task) or "a task whose words were erased").split())
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 1]}…"
