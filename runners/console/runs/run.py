"""Running tasks: on the arm that the session falls on, on a chosen adapter, or with what was live at a moment."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import typer

from ....domain.aggregates.run import TaskRun
from ....domain.errors import GrokputerError
from ....domain.events import TaskFailed
from ....projections.wording.sentences import count, describe_fault, short_id
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, name_actor, open_ledger, read_moment
from ..rendering import print_json, print_line, say
from .asking import ask_feedback
from .display import ask_for_display
from .options.running import (
    AllowDomain,
    AsOf,
    Display,
    Env,
    Headed,
    Images,
    NoFeedback,
    Pinned,
    Reviewer,
    RunRole,
    Seed,
    Session,
    Sounds,
    Source,
    Task,
    Times,
    Url,
)
from .outcomes import Shown, outcome_document, print_outcome, say_lost, say_start, saying_interruption
from .task_list import read_tasks, run_list, say_successes
from .watching import watch_steps

if TYPE_CHECKING:
    from ...store.ledger import Ledger
    from ...use_cases.runs import TaskRequest

Feedback = Literal["reviewer", "person"]
"""The rater of a run after its end."""


def run(
    task: Task = None,
    source: Source = None,
    env: Env = None,
    seed: Seed = None,
    adapter: Pinned = None,
    as_of: AsOf = None,
    session: Session = None,
    role: RunRole = "action",
    url: Url = None,
    allow_domain: AllowDomain = None,
    headed: Headed = False,
    image: Images = None,
    audio: Sounds = None,
    times: Times = 1,
    display: Display = None,
    no_feedback: NoFeedback = False,
    reviewer: Reviewer = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Run a task, show its steps, and ask how it went.

    \b
    Examples:
      grokputer run click-button --seed 7
      grokputer run shell/delete-file --seed 7
      grokputer run "What is the capital of France?" --no-feedback
      grokputer run "Find the price of tea" --url https://shop.example.org/ --headed
      grokputer run "What does the chart say?" --image chart.png
      grokputer run --from tasks.jsonl --json
    """
    if task == "-" and source is None:
        task, source = None, "-"
    has_media = bool(image or audio)
    if allow_domain and url is None and source is None:
        raise typer.BadParameter(
            "--allow-domain has hosts that a page may reach beside its own; give the page by --url"
        )
    _check_options("" if audio and task is None else task, source, adapter, as_of, times, reviewer, has_media=has_media)
    from ...use_cases.runs import TaskRequest

    ledger, moment = open_ledger(db), None if as_of is None else read_moment(as_of)
    allow = tuple(allow_domain or ())
    inputs = _load(image, audio) if has_media else ()
    wanted = TaskRequest(task or "", env, seed, role, session, adapter, moment, url, allow, headed, inputs)
    if source is not None:
        run_list(ledger, read_tasks(source, wanted), name_actor(None), as_json)
        return
    shown_on = "" if display is None else ask_for_display(display, env)
    ended = _play(ledger, wanted, times, _choose_feedback(reviewer, no_feedback), shown_on, is_shown=not as_json)
    _conclude(ledger, ended, db, as_json)


def _check_options(
    task: str | None,
    source: str | None,
    adapter: str | None,
    as_of: str | None,
    times: int,
    reviewer: bool,
    *,
    has_media: bool,
) -> None:
    """Refuse options that do not go together."""
    if (task is None) == (source is None):
        raise typer.BadParameter("give either a task or --from FILE")
    if source is not None and has_media:
        raise typer.BadParameter(
            "--from goes with neither --image nor --audio; a line of the file names its own, as image and audio"
        )
    if adapter is not None and as_of is not None:
        raise typer.BadParameter("--adapter and --as-of each choose an adapter; give one of them")
    if source is not None and (times > 1 or reviewer):
        raise typer.BadParameter("--from goes with neither --times nor --reviewer")


def _load(images: list[Path] | None, sounds: list[Path] | None) -> tuple[str, ...]:
    """The files as the run's inputs. Raises ``BadMedia``."""
    from ....domain.page.media import AUDIO, IMAGE
    from ...agent.inputs import load_media

    pictures = [load_media(path, IMAGE) for path in images or ()]
    return (*pictures, *(load_media(path, AUDIO) for path in sounds or ()))


def _choose_feedback(reviewer: bool, no_feedback: bool) -> Feedback | None:
    """The rater of the runs: the reviewer, or the person at the terminal; None where neither does."""
    if reviewer:
        return "reviewer"
    return "person" if not no_feedback and sys.stdin.isatty() else None


def _conclude(ledger: Ledger, ended: list[UUID], db: str, as_json: bool) -> None:
    """Print the outcomes as JSON or how many succeeded, and what to do next. Raises the last fault of the system."""
    from ...use_cases.runs import outcome_of

    runs = [ledger.get(TaskRun, id) for id in ended]
    if as_json:
        documents = [outcome_document(outcome_of(ledger, run)) for run in runs]
        print_json(documents[0] if len(ended) == 1 else documents)
    elif len(ended) > 1:
        print_line(say_successes([run.succeeded for run in runs]))
    _raise_faults(ledger, runs)
    if not as_json:
        suggest("status" if runs[-1].ratings else f"rate {short_id(ended[-1].hex)}", db)


def _play(
    ledger: Ledger, wanted: TaskRequest, times: int, feedback: Feedback | None, display: str, *, is_shown: bool
) -> list[UUID]:
    """Run the task so many times, each with the next seed, and take the feedback after each run; the runs."""
    from ...store.states import load_state
    from ...use_cases.ratings import review
    from ...use_cases.runs import TaskProgress, run_task
    from ...wiring.services import Services

    actor, ended = name_actor(None), list[UUID]()
    with Services(ledger, load_state(ledger), say) as services:
        services.display = display
        progress = TaskProgress(say_lost, Shown(services).show_plan, say_start, watch_steps(is_shown=is_shown))
        for _ in range(times):
            with saying_interruption():
                outcome = run_task(ledger, services, wanted, actor=actor, progress=progress).outcome
            wanted = replace(wanted, seed=outcome.seed + 1)
            ended.append(outcome.run)
            if is_shown:
                print_outcome(outcome)
            if feedback == "reviewer":
                _say_review(review(ledger, services, ledger.get(TaskRun, outcome.run)))
            elif feedback == "person":
                ask_feedback(ledger, services, ledger.get(TaskRun, outcome.run), actor)
    return ended


def _say_review(reviewed: TaskRun) -> None:
    corrected = ", corrected by demonstration" if reviewed.corrections else ""
    rating = reviewed.ratings[-1]
    say(f"  the reviewer gives {count(rating.stars, 'star')}{describe_fault(rating)}{corrected}")


def _raise_faults(ledger: Ledger, runs: list[TaskRun]) -> None:
    """Raise the last fault of the system itself, in its own words. Raises ``GrokputerError``."""
    for run in reversed(runs):
        if isinstance(run.ended, TaskFailed) and run.ended.reason in ("error", "environment"):
            raise GrokputerError(ledger.say(run.ended.detail))
