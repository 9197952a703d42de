"""Runs: the list of them, one of them step by step, and the import and export of sessions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from ....domain.aggregates.run import TaskRun
from ....domain.rules.roles import GOOD_STARS
from ....projections.wording.sentences import count, short_id, short_text
from ...explain.run_story import tell_run, token_counts
from ..hints import suggest
from ..options import (
    DEFAULT_DB,
    Actor,
    AsJson,
    Db,
    OfAdapter,
    OfArm,
    OfTask,
    Role,
    RunPrefix,
    Since,
    Until,
    find_run,
    folder_of,
    is_for_subcommand,
    name_actor,
    open_ledger,
    open_log,
)
from ..rendering import Column, as_time, print_json, print_line, print_table, say
from .run_events import ERASED, print_event

if TYPE_CHECKING:
    from ...sessions.runs import ImportedSessions

NOT_KEPT = "(not kept)"
"""Stands for the words of a question where a setting keeps none."""
SHOWN_KEYS = 10
"""Keys, runs or files that one line names; chosen."""


COLUMNS = (
    Column("run"),
    Column("started", rank=1),
    Column("task", wraps=16),
    Column("seed", rank=4),
    Column("arm", rank=3),
    Column("adapter"),
    Column("outcome", wraps=9),
    Column("steps", rank=3),
    Column("seconds", rank=5),
    Column("tokens", rank=6),
    Column("stars"),
    Column("fault", rank=2, wraps=8),
    Column("corrected", rank=2),
)
"""Of the list of runs; on a narrow terminal a higher rank goes first."""


runs = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)


@runs.callback()
def list_runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    role: Annotated[Role | None, typer.Option(help="Only this role's.")] = None,
    task: OfTask = None,
    arm: OfArm = None,
    adapter: OfAdapter = None,
    stars: Annotated[str | None, typer.Option(metavar="N|N..M", help="Only rated so, 1 to 5.")] = None,
    issue: Annotated[str | None, typer.Option(help="Only with a rating that names this issue.")] = None,
    session: Annotated[str | None, typer.Option(help="Only of this session.")] = None,
    since: Since = None,
    until: Until = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    unrated: Annotated[bool, typer.Option("--unrated", help="Only ended runs without a rating.")] = False,
    unattributed: Annotated[
        bool, typer.Option("--unattributed", help="Only those with a low rating that counts for no role yet.")
    ] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """List the runs, the newest first; or import what another program logged.

    \b
    Examples:
      grokputer runs --failed --unrated
      grokputer runs --task "click-*" --stars 1..2 --since 7d
      grokputer runs --adapter lora-v1 --arm canary --issue wrong_action
      grokputer runs --role action --limit 100 --json
    """
    if is_for_subcommand(context):
        return
    from ...explain.run_list import list_runs as find_runs
    from .filters import choose

    log = open_log(db)
    given = choose(
        role=role, task=task, arm=arm, adapter=adapter, stars=stars, issue=issue, session=session, since=since, until=until,
        failed=failed, unrated=unrated, unattributed=unattributed, now=log.clock.now(),
    )  # fmt: skip
    listed = find_runs(log, limit, given.wanted)
    for run in listed.rows:
        run |= token_counts(log.get(TaskRun, UUID(run["id"])))
    if as_json:
        print_json(listed.rows)
        return
    print_table(COLUMNS, (_row(run) for run in listed.rows), _describe_none(listed.seen, given.words))
    suggest(_next_step(listed.rows), db)


def _next_step(rows: list[dict[str, Any]]) -> str:
    """The command for the newest run without a rating, else for the newest run."""
    unrated = (run for run in rows if run["stars"] is None and run["status"] != "running")
    for run in unrated:
        return f"rate {short_id(run['id'])}"
    return f"show {short_id(rows[0]['id'])}" if rows else "run click-button"


def _describe_none(seen: int, filters: list[str]) -> str:
    """Why the list is empty, and what to do."""
    if not seen:
        return "no runs; start one with 'grokputer run click-button'"
    runs = f"none of the {seen} runs" if seen > 1 else "not the one run"
    return f"no runs match {' '.join(filters)}, {runs} in the log; 'grokputer runs' lists them"


@runs.command("import")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files session.json, folders of them, JSON Lines of sessions."),
    ],
    role: Annotated[Role, typer.Option(help="The role whose runs they become.")] = "action",
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Import sessions that another program logged, each as a run with its rating and comment. The same session counts once.

    A session is an object with task, iterations, tools, tool_calls, success, user_rating, feedback_comment, what_went_wrong,
    session_id, start_time, end_time, duration_seconds, lora_version; all but the task may be missing. A step of iterations may
    have thought, response, action, tool_calls, observation, screenshot_summary, timestamp, or be a message. Where one session
    cannot be read, none is imported. They are pinned, under an adapter named imported: they count for no canary, and in the
    ratings of the base only where sessions.count says so.

    \b
    Examples:
      grokputer runs import session.json
      grokputer runs import sessions/ more.jsonl --role decomposition
    """
    from ...sessions.imports import read_sessions
    from ...use_cases.sessions import import_sessions

    ledger, actor = open_ledger(db), name_actor(by)
    result = import_sessions(ledger, read_sessions(paths), role=role, actor=actor)
    done = result.sessions
    known = f"{done.there} {'was' if done.there == 1 else 'were'} there already"
    print_line(f"imported {count(done.new, 'session')} as runs of role {role}; {known}")
    _say_what_was_left(done)
    if done.new and not result.are_counted:
        say(f"they count in no ratings; to count them for the base: grokputer settings set {role}.sessions.count true")


@runs.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them; the folder must not exist.")],
    form: Annotated[Literal["session"], typer.Option(help="As what: files session.json.")] = "session",
    role: Annotated[Role | None, typer.Option(help="Only this role's.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Write all runs that have ended as sessions that 'runs import' reads: DIR/<session id>/session.json for each.

    A run that was imported is written as it was logged, with the newest rating of a person. Corrections are no part of it.

    \b
    Examples:
      grokputer runs export sessions/
      grokputer runs export --form session monday/
    """
    from ...sessions.export import export_sessions

    log = open_log(db)
    with folder_of(folder):
        done = export_sessions(log, folder, role)
    print_line(f"wrote {count(done.written, 'session')} to {folder}")
    if len(done.roles) > 1:
        say(
            f"a session names no role, and these are of {', '.join(sorted(done.roles))}; --role writes those of one role"
        )
    if done.running:
        say(f"left out, because not ended: {count(done.running, 'run')}")
    if done.erased:
        say(f"left out, because the words were erased: {count(done.erased, 'run')}")


def _say_what_was_left(done: ImportedSessions) -> None:
    """Print what of the sessions the runs do not contain, one line for each reason."""
    if done.unknown:
        more = f" and {len(done.unknown) - SHOWN_KEYS} more" if len(done.unknown) > SHOWN_KEYS else ""
        named = ", ".join(done.unknown[:SHOWN_KEYS])
        say(f"keys that this program does not know are kept with the session and used for nothing: {named}{more}")
    if done.unrated_comments:
        say(
            f"left out, because without a rating: {count(done.unrated_comments, 'comment')}; "
            "rate those runs with 'grokputer rate'"
        )
    if done.newly_rated:
        runs = ", ".join(short_id(id.hex) for id in done.newly_rated[:SHOWN_KEYS])
        say(
            f"{count(len(done.newly_rated), 'known session')} with a rating that this log lacks ({runs}); record it with "
            "'grokputer rate'"
        )
    if done.others:
        say(
            f"left out, because another session with another task has the same id: {len(done.others)}: "
            f"{', '.join(done.others[:SHOWN_KEYS])}"
        )


def _row(run: dict[str, Any]) -> tuple[Any, ...]:
    seconds = None if run["duration_ms"] is None else f"{run['duration_ms'] / 1000:.1f}"
    outcome = f"{run['status']} ({run['reason']})" if run["reason"] else run["status"]
    outcome = None if outcome == "answered" else outcome  # its success is unknown
    return (
        short_id(run["id"]),
        as_time(run["started"]),
        ERASED if run["task"] is None else short_text(run["task"] or NOT_KEPT, 60),
        run["seed"],
        run["arm"],
        run["adapter"] or "base",
        outcome,
        run["steps"],
        seconds,
        None if run["prompt_tokens"] is None else f"{run['prompt_tokens']}+{run['completion_tokens']}",
        run["stars"],
        run["fault"],
        run["corrected_by"],
    )


def show(
    run: RunPrefix,
    full: Annotated[bool, typer.Option("--full", help="With every prompt whole.")] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show one run step by step.

    What was asked, what was answered and what people said of it, each with its position in the log.

    \b
    Examples:
      grokputer show 3fa2
      grokputer show 3fa2 --full
    """
    log = open_log(db)
    story = tell_run(log, find_run(log, run))
    whole = story.run
    if as_json:
        print_json(story.to_json())
        return
    for recorded, entry in zip(story.history, story.entries, strict=True):
        print_event(recorded.event, entry, full)
    if whole.tokens is not None:
        print_line("        {} tokens in prompts, {} in answers".format(*whole.tokens))
    id = short_id(whole.id.hex)
    is_low = bool(whole.ratings) and whole.ratings[-1].stars < GOOD_STARS and not whole.corrections
    suggest(f"rate {id}" if whole.ended and not whole.ratings else f"correct {id}" if is_low else f"why {id}", db)
