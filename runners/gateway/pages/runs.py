"""The runs: searched and filtered, and one run with everything that the log knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ....domain.aggregates.run import TaskRun
from ....domain.events import Screen, TaskStarted
from ....domain.page.media import marks_in, shorten_marks
from ....domain.page.observation import read_task
from ....domain.page.prompt import OWN_INSTRUCTIONS
from ....domain.page.tools import show_answer
from ....domain.rules.rating import ISSUES
from ....domain.settings.settings import ROLES
from ....domain.vocabulary import Arm, StepKind
from ....projections.explain.assignments import trace_run
from ....projections.explain.lineage import trace_corrections
from ....projections.explain.provenance import read_datasets, trace_forward
from ....projections.wording.steps import describe_finding, describe_plan, describe_purpose
from ...explain.run_filter import RunFilter, read_stars, read_time
from ...explain.run_list import list_runs as find_runs
from ...explain.run_story import Story, tell_run, token_counts
from ...use_cases.lookups import adapter_names, find_run, require_role
from ..site.visit import View, Visit
from .media import list_media
from .readings import describe_form, describe_words

if TYPE_CHECKING:
    from ...store.log import Log

FIELDS = ("role", "task", "arm", "adapter", "stars", "issue", "session", "since", "until")
FLAGS = ("failed", "unrated", "unattributed")
AT_ONCE = 50
"""Runs of one page; chosen."""
MOST = 1000


def list_runs(visit: Visit) -> View:
    """The newest runs that meet the conditions in the address."""
    query, log = visit.query, visit.ledger
    given = {name: query.one(name) for name in FIELDS}
    flags = {name: query.flag(name) for name in FLAGS}
    limit = query.number("limit", 1, MOST) or AT_ONCE
    listed = find_runs(log, limit, _read_filter(given, flags, visit))
    return View(
        "runs",
        "Runs",
        {
            "filter": {**given, **flags},
            "limit": limit,
            "seen": listed.seen,
            "runs": listed.rows,
            "choices": {
                "role": list(ROLES),
                "arm": [str(arm) for arm in Arm],
                "adapter": ["base", *adapter_names(log)],
                "issue": list(ISSUES),
            },
        },
    )


def show_run(visit: Visit) -> View:
    """One run, step by step, with its causes, the trainings on it, and its ratings."""
    log = visit.ledger
    id = id_of(visit)
    story = tell_run(log, id)
    uses = trace_forward(read_datasets(log), lambda row: row.get("run") == id.hex)
    uses += [node for node in trace_corrections(log, id) if node.children]
    data = {
        "shown": describe_run(visit.ledger, story),
        "why": [trace_run(log, id).to_json()],
        "lineage": [node.to_json() for node in uses],
        "reading": describe_form(log, story.run, visit.query.number("reading", 1, 10_000)),
        **story.to_json(),
    }
    return View("run", f"Run {id.hex[:8]}", data)


def describe_run(log: Log, story: Story) -> dict[str, Any]:
    """What people are shown of a run: its task, what the agent saw and did at each step, its end, and what was said of it."""
    run, entries = story.run, story.entries
    started = run.started
    assert started is not None
    first = entries[0]
    steps = [entry for entry in entries if entry["event"] == "StepTaken"]
    words = describe_words(log, run)
    return {
        "id": run.id.hex,
        "task": first["task"],
        "instruction": _find_instruction(started, first["task"], steps),
        "keeps_texts": bool(started.task),
        "inputs": list_media(log, run, started.inputs),
        "is_question": started.is_question,
        "can_be_tried": started.is_repeatable,
        "reads": any(step.kind == StepKind.READ for step in run.steps),
        "has_plan": any(step.kind == StepKind.PLAN for step in run.steps),
        "environment": started.environment,
        "role": started.role,
        "arm": str(started.arm),
        "adapter": first["adapter"] or "base",
        "base": started.base,
        "seed": started.seed,
        "session": first["session"],
        "started": started.time.isoformat(),
        "has_ended": run.ended is not None,
        "status": _status(run),
        "reason": None if run.failure is None else str(run.failure),
        "detail": next((entry.get("detail") for entry in reversed(entries) if "detail" in entry), None),
        "duration_ms": getattr(run.ended, "duration_ms", None),
        "tokens": token_counts(run),
        "steps": [
            _step(log, run, entry, before, words.get(entry["step"], []))
            for entry, before in zip(steps, [None, *steps], strict=False)
        ],
        "ratings": [entry for entry in entries if entry["event"] == "TaskRated"],
        "corrections": [entry for entry in entries if entry["event"] == "TaskCorrected"],
    }


def _find_instruction(started: TaskStarted, task: str | None, steps: Sequence[dict[str, Any]]) -> str | None:
    """The words in which the page asked for a task that has a name, from the first prompt that has them; None for a question,
    which is its own words, and where nothing keeps them."""
    if started.is_question:
        return None
    prompts = (step["prompt"] for step in steps if step["prompt"] is not None and step["kind"] != StepKind.READ)
    found = next(filter(None, map(read_task, prompts)), None)
    return None if found is None or found == task else shorten_marks(found)


def _status(run: TaskRun) -> str:
    """``running``, ``succeeded``, ``failed``, or ``answered``, as in the list of runs."""
    if run.ended is None:
        return "running"
    if run.succeeded is None:
        return "failed" if run.failure is not None else "answered"
    return "succeeded" if run.succeeded else "failed"


def _step(
    log: Log, run: TaskRun, entry: dict[str, Any], before: dict[str, Any] | None, words: list[dict[str, Any]]
) -> dict[str, Any]:
    """One step: the turns that are new since the step before, the words where it read, and the answer."""
    prompt = entry["prompt"]
    turns = None
    if prompt is not None:
        shown = [turn for turn in prompt if turn.get("content") not in OWN_INSTRUCTIONS]
        known = [] if before is None or before["prompt"] is None else before["prompt"]
        turns = [_turn(log, run, turn) for turn in shown if turn not in known or turn is shown[-1]]
    calls = entry["tool_calls"]
    answer = None if entry["answer"] is None or calls is None else show_answer(entry["answer"], calls)
    return {
        "number": entry["step"],
        "position": entry["position"],
        "role": entry["role"],
        "turns": turns,
        "answer": answer,
        "screen": _screen(log, run, entry["screen"]),
        "words": words,
        "purpose": describe_purpose(entry["kind"], entry["goal"]),
        "plan": describe_plan(answer, entry["found"]) if entry["kind"] == StepKind.PLAN else None,
        "found": describe_finding(entry["found"]),
        "model": entry["model"],
        "error": entry["error"],
        "model_ms": entry["model_ms"],
        "environment_ms": entry["environment_ms"],
    }


def _screen(log: Log, run: TaskRun, screen: Screen | None) -> dict[str, Any] | None:
    """The screen before the step: its size, the place of the element, and the picture's address where it was kept."""
    if screen is None:
        return None
    kept = list_media(log, run, filter(None, [screen["picture"]]))
    size = {"width": screen["width"], "height": screen["height"]}
    return {**size, "box": screen["box"], "picture": kept[0]["address"] if kept else None}


def _turn(log: Log, run: TaskRun, turn: dict[str, Any]) -> dict[str, Any]:
    """One turn: its words, and the pictures and sounds that they name; nothing else that the words may look like."""
    text = show_answer((turn.get("content") or "").rstrip("\n"), turn.get("tool_calls", ()))
    media = list_media(log, run, (key for _, key in marks_in(text)))
    return {"who": str(turn.get("role")), "text": shorten_marks(text), "media": media}


def _read_filter(given: dict[str, str], flags: dict[str, bool], visit: Visit) -> RunFilter:
    """The conditions. Raises ``BadFilter``, and ``NotFound`` for an unknown role."""
    now = visit.ledger.clock.now()
    if given["role"]:
        require_role(given["role"])
    return RunFilter(
        **{name: given[name] or None for name in ("role", "task", "arm", "adapter", "issue", "session")},
        stars=read_stars(given["stars"]) if given["stars"] else None,
        since=read_time(given["since"], now, UTC) if given["since"] else None,
        until=read_time(given["until"], now, UTC) if given["until"] else None,
        is_failed=flags["failed"],
        is_unrated=flags["unrated"],
        is_unattributed=flags["unattributed"],
    )


def id_of(visit: Visit) -> UUID:
    """The run that the address names. Raises ``NotFound``."""
    return find_run(visit.ledger, visit.name("run"))
