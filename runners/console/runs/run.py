"""Running tasks: on the arm that the session falls on, on a chosen adapter, or with what was live at a moment."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer

from ....domain.aggregates.run import LARGEST_SEED, TaskRun
from ....domain.errors import GrokputerError
from ....domain.events import TaskFailed
from ....projections.wording.sentences import count, describe_fault, short_id
from ..completion import offer_arms, offer_tasks
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, Role, name_actor, open_ledger, read_moment
from ..rendering import print_json, print_line, say
from .asking import ask_feedback
from .display import ask_for_display
from .outcomes import Shown, outcome_document, print_outcome, say_lost, say_start, saying_interruption, show_step
from .task_list import read_tasks, run_list, say_successes

if TYPE_CHECKING:
    from ...store.ledger import Ledger
    from ...use_cases.runs import TaskRequest

Feedback = Literal["reviewer", "person"]
"""The rater of a run after its end."""


def run(
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="[TASK]",
            help="A task that 'grokputer tasks' lists, or a question in quotes; '-' is '--from -'.",
            autocompletion=offer_tasks,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help='Run the tasks of this file, one a line: words, or an object as {"task": ..., "seed": 7} that may also have '
            "env, session, role, adapter and url; '-' reads stdin. The model is loaded once.",
        ),
    ] = None,
    env: Annotated[
        str | None,
        typer.Option(
            help="Where: miniwob, shell, web, desktop, chat, a plug-in or a folder of tasks; default: chat for words with a "
            "space in them, browse where --url is given, else the one that has the task."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=LARGEST_SEED, help="The page's seed; default: a random one, printed.")
    ] = None,
    adapter: Annotated[
        str | None, typer.Option(help="Pin the run to this adapter, or to 'base'.", autocompletion=offer_arms)
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="POSITION|TIME", help="Run with the adapter and settings live then.")
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            help="Runs of one session stay on one arm, and a question is asked with the session's earlier turns."
        ),
    ] = None,
    role: Annotated[Role, typer.Option(help="The role whose adapter and settings are used.")] = "action",
    url: Annotated[
        str | None,
        typer.Option(help="The page of the web that a task in words is done on. The browser reaches its host alone."),
    ] = None,
    allow_domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="Beside the URL's host the browser may reach this one, with its subdomains; repeatable.",
        ),
    ] = None,
    headed: Annotated[bool, typer.Option("--headed", help="Show the window of the browser.")] = False,
    image: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A picture that comes with the task (PNG, JPEG, GIF, WebP); repeatable."),
    ] = None,
    audio: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A sound that comes with the task (WAV, MP3, FLAC, Ogg); repeatable."),
    ] = None,
    times: Annotated[int, typer.Option(min=1, help="Number of runs, each with the next seed.")] = 1,
    display: Annotated[
        str | None,
        typer.Option(
            metavar="DISPLAY",
            help="Let the agent work on this display of yours, as :0, in place of a private one; asks before it begins.",
        ),
    ] = None,
    no_feedback: Annotated[bool, typer.Option("--no-feedback", help="Do not ask for a rating.")] = False,
    reviewer: Annotated[
        bool, typer.Option("--reviewer", help="Let the reviewer rate from the reward, and correct by demonstration.")
    ] = False,
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
        raise typer.BadParameter("--from goes with neither --image nor --audio")
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
        progress = TaskProgress(say_lost, Shown(services).show_plan, say_start, show_step)
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
