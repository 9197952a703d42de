"""Runs that fail on pages: played on a log through the agent's own prompt, or told without a log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from given import OFFERED
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import observe
from grokputer.domain.settings.settings import Policy
from grokputer.projections.explain.failures.ended_run import EndedRun
from grokputer.projections.explain.failures.trace import Trace
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger

LOGIN = ("span:Username[1]", "input.text#username=bob[2]", "span:Password[3]", "input.password[4]", "button:Login[5]")
"""A page on which the password is not yet typed."""

PRESS = "CLICKbutton:Login[5]"


def play(
    ledger: Ledger,
    page: Sequence[str] = LOGIN,
    answers: Sequence[str] = (PRESS,),
    *,
    task: str = "login-user",
    environment: str = "miniwob",
    errors: Sequence[str] = (),
    ends: str = "wrong",
    stars: int | None = None,
    step: int | None = None,
    issues: Sequence[str] = (),
    role: str = "action",
    roles: Sequence[str] = (),
    adapter: str | None = None,
    arm: str = "stable",
    actor: str = "ada",
    calls: str | None = None,
) -> UUID:
    """One run that ended; ``ends`` is the reason of its failure, ``succeeded``, ``answered``, or ``running`` for no end.

    ``errors`` are the environment's, one for each answer, and ``roles`` the roles that made the steps. A question is its
    page's one line.
    """
    is_question = environment == "chat"
    seen = Page(page[0] if is_question else f"Do {task}.", tuple(page), is_question=is_question)
    prompt = ledger.put(json.dumps(observe(seen, ["CLICKspan:Earlier[9]"])))
    context, run = ledger.context(actor), TaskRun(uuid4())
    run.start(
        context, role=role, arm=arm, adapter=adapter, rollout=None, environment=environment,
        capabilities=OFFERED.get(environment, ()), task=ledger.put(page[0]) if is_question else task, seed=len(answers),
        base="embedded@sha256:00", session=None, policy={},
        others=[{"role": each, "arm": arm, "adapter": None, "rollout": None} for each in dict.fromkeys(roles) if each != role],
    )  # fmt: skip
    for number, answer in enumerate(answers):
        said = errors[number] if number < len(errors) else ""
        run.take_step(
            context, prompt=prompt, answer=ledger.put(answer), error=ledger.put(said) if said else "", model_ms=9,
            environment_ms=1, prompt_tokens=90, completion_tokens=8, role=roles[number] if roles else None, tool_calls=calls,
        )  # fmt: skip
    if ends == "succeeded":
        run.succeed(900, 1.0, Policy(), context)
    elif ends == "answered":
        run.answer(900, context)
    elif ends != "running":
        run.fail(ends, "", 900, -1.0, Policy(), context)
    if stars is not None:
        run.rate(stars, "human", [*issues], None, context, step=step)
    ledger.store(run)
    return run.id


def correct(ledger: Ledger, run: UUID, answer: str = "TYPEinput.password[4]secret") -> None:
    """A person's correction of the run, which was tried and succeeded."""
    rows = [{"messages": [{"role": "user", "content": f"task {run.hex}"}], "completion": answer}]
    key, context = ledger.put(json.dumps(rows)), ledger.context("ada")
    ledger.write(TaskRun, run, lambda played: played.correct("human", key, 1, True, context))
    process_new_events(ledger)


def failed(number: int, trace: Trace | None = None, **fields: Any) -> EndedRun:
    """A run that failed at its first step, told without a log."""
    told: dict[str, Any] = {
        "id": f"{number:032x}", "position": number, "family": "miniwob/login-user", "role": "action", "roles": ("action",),
        "adapter": "base", "steps": 1, "succeeded": False, "has_failed": True, "stars": None, "issues": (),
        "fault": "action", "is_corrected": False, "step": 1, "trace": trace,
    }  # fmt: skip
    return EndedRun(**{**told, **fields})


def succeeded(number: int, **fields: Any) -> EndedRun:
    """A run that succeeded at its first step, told without a log."""
    return failed(number, **{"succeeded": True, "has_failed": False, "fault": None, "step": None, **fields})
