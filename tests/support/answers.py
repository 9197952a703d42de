"""Answers in words on a real log, and a judge that grades them."""

from __future__ import annotations

import json
from uuid import UUID

from chat_server import ChatServer

from given import OFFERED
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.vocabulary import Arm
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import change


def answer(
    ledger: Ledger,
    said: str = "Paris",
    question: str = "What is the capital of France?",
    *,
    actor: str = "ada",
    session: str | None = None,
    before: tuple[dict[str, str], ...] = (),
    arm: Arm = Arm.STABLE,
) -> UUID:
    """A question that was answered with these words, and that nothing has judged."""
    id, context = derive_id("answer", ledger.position), ledger.context(actor)
    prompt = [*before, {"role": "user", "content": question}]

    def play(run: TaskRun) -> None:
        run.start(
            context, role="action", arm=arm, adapter=None, rollout=None, environment="chat", task=ledger.put(question),
            capabilities=OFFERED["chat"], seed=0, base="embedded@sha256:00", session=session, policy={},
        )  # fmt: skip
        run.take_step(
            context, prompt=ledger.put(json.dumps(prompt)), answer=ledger.put(said), error="", model_ms=1,
            environment_ms=1, prompt_tokens=1, completion_tokens=1,
        )  # fmt: skip
        run.answer(10, context)

    ledger.write(TaskRun, id, play)
    process_new_events(ledger)
    return id


def appoint(ledger: Ledger, server: ChatServer, **settings: object) -> None:
    """Make the server's model the judge."""
    told: dict[str, object] = {"endpoint": server.url, "model": "big", **settings}
    for key, value in told.items():
        change(ledger, f"judge.{key}", value)


def verdict(stars: int, reason: str = "right, but without the reason") -> str:
    return json.dumps({"stars": stars, "reason": reason})
