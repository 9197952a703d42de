"""Sessions that other programs logged, as they lie in a ``session.json``: read, and recorded as runs.

A session says what was asked (``task``), what was done (``iterations``, a list of steps or how many there were, and
``tool_calls``), and what a person thought of it: ``user_rating``, ``feedback_comment``, ``what_went_wrong``.
``lora_version`` names the adapter that the other program had. All but the task may be missing; what else stands there is
left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from ...domain.aggregates.base import derive_id
from ...domain.aggregates.run import ISSUES, TaskRun, check_stars
from ...domain.errors import BadRating, InvalidSession
from ...domain.page.messages import Message
from ...domain.rules.roles import GOOD_STARS
from ...domain.settings.settings import Policy
from ...domain.text import as_text, show_fault

if TYPE_CHECKING:
    from ..store.ledger import Ledger

SUFFIXES = (".json", ".jsonl", ".ndjson")
"""The files that are looked into where a folder is given."""

IMPORTED = "imported"
"""The base of a run that another program made, and the beginning of its adapter's name: no number of an adapter of ours may
count it."""

SAID = ("response", "answer", "output", "content", "thought", "text", "action")
"""Where a step may say what the model answered; the first that is there counts."""


@dataclass(frozen=True)
class Act:
    """One step: what the model answered, and what came of it, empty where that is not known."""

    answer: str
    result: str = ""


@dataclass(frozen=True)
class Session:
    """What one session says."""

    id: UUID
    """Of its run: the same for the same content."""
    task: str
    acts: tuple[Act, ...]
    iterations: int
    """How many there were, as it says itself."""
    stars: int | None
    comment: str | None
    issues: tuple[str, ...]
    lora_version: str | None

    @property
    def succeeded(self) -> bool:
        """Whether nothing is said to have gone wrong; a person who rates it well finds no fault."""
        return not self.issues or (self.stars or 0) >= GOOD_STARS


def read_sessions(paths: Sequence[Path]) -> list[Session]:
    """The sessions of files and of all files below folders, in order. Raises ``InvalidSession`` for one that it cannot read."""
    return [_Reader(where).read(row) for path in paths for file in _files(path) for where, row in _rows(file)]


def record_session(ledger: Ledger, session: Session, role: str, actor: str) -> bool:
    """Record the session as a run of the role; False when it was recorded before.

    The run is pinned: it is no traffic of this log, so it counts in no window and for no canary, but what was said of it is
    there to be read and learnt from as of any other run.
    """
    if ledger.get(TaskRun, session.id).started is not None:
        return False
    asked = list(_prompts(session))
    words = [session.task, *(json.dumps(it, ensure_ascii=False) for it in asked), *(it.answer for it in session.acts)]
    task, *keys = (ledger.put(it) for it in [*words, *([session.comment] if session.comment else [])])
    issues = [it if it in ISSUES else ledger.put(it) for it in session.issues]
    detail = ledger.put("; ".join(session.issues)) if session.issues else ""
    prompts, answers, comment = keys[: len(asked)], keys[len(asked) : 2 * len(asked)], keys[2 * len(asked) :]

    is_new = False

    def tell(run: TaskRun) -> None:
        nonlocal is_new
        is_new = run.started is None
        if is_new:  # else another process was first
            _start(ledger, run, session, task, role, actor)
            for prompt, answer in zip(prompts, answers, strict=True):
                run.take_step(
                    _after(ledger, run, actor), prompt=prompt, answer=answer, error="", model_ms=0, environment_ms=0,
                    prompt_tokens=0, completion_tokens=0,
                )  # fmt: skip
            if session.succeeded:
                run.succeed(0, 1.0, Policy(), _after(ledger, run, actor))
            else:
                run.fail("wrong", detail, 0, 0.0, Policy(), _after(ledger, run, actor))
            if session.stars is not None:
                said = comment[0] if comment else None
                run.rate(session.stars, "human", issues, said, _after(ledger, run, actor))

    ledger.write(TaskRun, session.id, tell)
    return is_new


def _start(ledger: Ledger, run: TaskRun, session: Session, task: str, role: str, actor: str) -> None:
    version = session.lora_version and ledger.name_key(session.lora_version, "lora_version")
    told = {"lora_version": version, "iterations": session.iterations}
    run.start(
        ledger.context(actor), role=role, arm="pinned", rollout=None, session=None, seed=0, environment="chat", task=task,
        base=IMPORTED, adapter=":".join(filter(None, [IMPORTED, version])), policy={IMPORTED: told},
    )  # fmt: skip


def _after(ledger: Ledger, run: TaskRun, actor: str) -> Any:
    return ledger.context(actor, f"{run.id}/{run.version}")


def _prompts(session: Session) -> Iterator[list[Message]]:
    """What each step answered to: the task as it is asked of a model here, and all that came before."""
    messages: list[Message] = [{"role": "user", "content": session.task}]
    for act in session.acts:
        yield list(messages)
        messages.append({"role": "assistant", "content": act.answer})
        if act.result:
            messages.append({"role": "user", "content": act.result})


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InvalidSession(f"there is no {path}; give a session.json, a folder of them, or JSON Lines of sessions")
    found = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not found:
        raise InvalidSession(f"{path} holds no session; wanted are files that end with {', '.join(SUFFIXES)}")
    return found


def _rows(file: Path) -> Iterator[tuple[str, Any]]:
    """Each session of the file, and where it stands: one JSON document (a session or a list of them), or one on each line."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSession(f"{file} is not UTF-8: {error}") from None
    try:
        whole = json.loads(text)
    except ValueError as error:
        if file.suffix == ".json" or len(text.splitlines()) == 1:
            raise InvalidSession(f"{file} is not JSON: {error}") from None
    else:
        rows = whole if isinstance(whole, list) else [whole]
        yield from (
            (f"{file} session {number}" if len(rows) > 1 else str(file), row) for number, row in enumerate(rows, 1)
        )
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield f"{file} line {number}", json.loads(line)
            except ValueError as error:
                raise InvalidSession(f"{file} line {number} is not JSON: {error}") from None


class _Reader:
    """Reads one session, and says where and why it cannot."""

    def __init__(self, where: str) -> None:
        self.where = where

    def read(self, row: Any) -> Session:
        """The session. Raises ``InvalidSession``."""
        if not isinstance(row, dict):
            self.refuse("it", row, "an object with a task")
        for field, value in row.items():
            try:
                field.encode()
                (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()
            except UnicodeEncodeError as error:
                raise InvalidSession(
                    f"{self.where}: {as_text(field)} is not valid Unicode: {show_fault(error)}"
                ) from None
        iterations = row.get("iterations")
        acts = self._acts(iterations, row.get("tool_calls"))
        return Session(
            id=derive_id("session", json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))),
            task=self._text(row, "task") or self.refuse("task", row.get("task"), "what was asked, in words"),
            acts=acts,
            iterations=iterations if isinstance(iterations, int) else len(acts),
            stars=self._stars(row.get("user_rating")),
            comment=self._text(row, "feedback_comment"),
            issues=self._issues(row.get("what_went_wrong")),
            lora_version=self._text(row, "lora_version", is_number_allowed=True),
        )

    def refuse(self, field: str, value: Any, allowed: str) -> NoReturn:
        """Say in one line what is wrong."""
        shown = json.dumps(value, ensure_ascii=False, default=str)
        raise InvalidSession(
            f"{self.where}: {field} is {shown[:60]}{'…' if len(shown) > 60 else ''}; allowed is {allowed}"
        )

    def _text(self, row: Mapping[str, Any], field: str, *, is_number_allowed: bool = False) -> str | None:
        value = row.get(field)
        if is_number_allowed and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if value is not None and not isinstance(value, str):
            self.refuse(field, value, "text")
        return value.strip() or None if value is not None else None

    def _stars(self, value: Any) -> int | None:
        if value is None:
            return None
        try:
            return check_stars(int(value) if isinstance(value, float) and value.is_integer() else value)
        except BadRating:
            self.refuse("user_rating", value, "a whole number of stars from 1 to 5")

    def _issues(self, value: Any) -> tuple[str, ...]:
        found = [value] if isinstance(value, str) else value or []
        if not isinstance(found, list) or not all(isinstance(it, str) for it in found):
            self.refuse("what_went_wrong", value, "text, or a list of texts")
        return tuple(it.strip() for it in found if it.strip())

    def _acts(self, iterations: Any, calls: Any) -> tuple[Act, ...]:
        """The steps in their order; calls that stand beside the iterations come after them, but for those that are in them."""
        if (
            isinstance(iterations, bool)
            or not isinstance(iterations, int | list | NoneType)
            or (isinstance(iterations, int) and iterations < 0)
        ):
            self.refuse("iterations", iterations, "a list of steps, or how many there were")
        steps = iterations if isinstance(iterations, list) else []
        nested = [call for step in steps if isinstance(step, dict) for call in self._calls(step)]
        beside = [call for call in self._list("tool_calls", calls) if call not in nested]
        return (*(self._step(step) for step in steps), *(self._call(call) for call in beside))

    def _calls(self, step: Mapping[str, Any]) -> list[Any]:
        alone = [step["tool_call"]] if step.get("tool_call") is not None else []
        return self._list("tool_calls", step.get("tool_calls")) + alone

    def _list(self, field: str, value: Any) -> list[Any]:
        if not isinstance(value, list | NoneType):
            self.refuse(field, value, "a list of calls")
        return value or []

    def _step(self, step: Any) -> Act:
        if isinstance(step, str) and step.strip():
            return Act(step.strip())
        if not isinstance(step, dict):
            self.refuse("a step of iterations", step, "text, or an object with what was answered and its tool_calls")
        said = next((step[key] for key in SAID if isinstance(step.get(key), str) and step[key].strip()), "")
        acts = [self._call(call) for call in self._calls(step)]
        if not said and not acts:
            self.refuse("a step of iterations", step, f"one with tool_calls, or text under {', '.join(SAID)}")
        results = [act.result for act in acts] + [_plain(step.get("result"))]
        return Act(
            "\n".join(filter(None, [said.strip(), *(act.answer for act in acts)])), "\n".join(filter(None, results))
        )

    def _call(self, call: Any) -> Act:
        """A call of a tool as one line: ``name {"argument": value}``. OpenAI's form is known too."""
        inner = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            self.refuse("a tool call", call, "an object with name, arguments and result")
        arguments = inner.get("arguments", inner.get("args", {}))
        result = call.get("result", call.get("output"))
        return Act(" ".join(filter(None, [inner["name"], _plain(arguments)])), _plain(result))


def _plain(value: Any) -> str:
    """Text as it is, anything else as JSON; nothing for what is empty."""
    if value in (None, "", {}, []):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
