"""Failures: what fails most, which failures are alike, and where a training would pay most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....projections.wording.sentences import count, short_id, short_text
from ..completion import offer_runs
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, OfAdapter, OfArm, OfTask, Role, Since, Until, find_run, open_log
from ..rendering import Column, print_json, print_line, print_table, show_share

if TYPE_CHECKING:
    from ....projections.explain.failures.counts import FailureCount, FailureRate
    from ....projections.explain.failures.group import FailureGroup
    from ...use_cases.reading.failures import Failures

SHOWN = 10
"""Rows of a table that are printed; chosen. JSON has all."""

LISTED = 20
"""Runs of one group that are printed; chosen. JSON has all."""

LAST = 10_000
"""As ``use_cases.reading.failures.LAST``, which is imported when the command is called."""


def failures(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Only the group of this failed run.", autocompletion=offer_runs),
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many runs to examine, the newest ones.")] = LAST,
    role: Annotated[Role | None, typer.Option(help="Only this role's runs.")] = None,
    task: OfTask = None,
    arm: OfArm = None,
    adapter: OfAdapter = None,
    since: Since = None,
    until: Until = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Show what fails most, which failures are alike, and where a training would pay most.

    A failure is a run that failed, was judged a failure, or has a rating under four stars. Failures are counted by task
    family, issue, role at fault, adapter and step, with the share of the runs whose outcome is known and its 95 % interval.
    Failures whose pages and actions are alike form a group, named by what they share. With a run, only its group is shown,
    with its runs and the commands that lead on.

    \b
    Examples:
      grokputer failures --since 7d
      grokputer failures 3fa2
      grokputer failures --role action --last 1000 --json
    """
    from ...use_cases.reading.failures import view_failures
    from ..runs.filters import choose

    log = open_log(db)
    given = choose(
        role=role, task=task, arm=arm, adapter=adapter, stars=None, issue=None, session=None, since=since, until=until,
        failed=False, unrated=False, unattributed=False, now=log.clock.now(),
    )  # fmt: skip
    chosen = None if run is None else find_run(log, run)
    found = view_failures(log, given.wanted, last, with_advice=chosen is None)
    if chosen is not None:
        group = found.group_of(chosen)
        if as_json:
            print_json(group.to_json(len(group.runs)))
        else:
            _print_group(group)
            suggest(group.next_steps.rate or group.next_steps.correct or group.next_steps.train, db)
        return
    if as_json:
        print_json(found.to_json())
        return
    _print_summary(found, given.words)
    if found.rate.failures:
        _print_counts(found)
        _print_groups(found)
    _print_advice(found)
    suggest(found.groups[0].next_steps.see if found.groups else "runs --unrated", db)


def _print_summary(found: Failures, words: Sequence[str]) -> None:
    """Print how many runs were examined, how many of them failed, and which are not counted."""
    if not found.examined:
        print_line(f"no runs match {' '.join(words)}" if words else "no runs yet; 'grokputer run' makes some")
        return
    share = f", {_say_rate(found.rate)} of {found.rate.known} with a known outcome" if found.rate.known else ""
    print_line(f"examined {count(found.examined, 'run')}: {count(found.rate.failures, 'failure')}{share}")
    left = found.left_out
    notes = (
        (found.unknown, "nothing has said whether they succeeded"),
        (left.running, "not ended, and not counted"),
        (left.lost, "lost to a fault of the system, and not counted"),
        (left.trials, "played by the program to judge or train adapters, and not counted"),
    )
    for number, note in notes:
        if number:
            print_line(f"  {count(number, 'run')}: {note}")


def _print_counts(found: Failures) -> None:
    """Print the five tables of counts."""
    tables = (
        ("task family", found.families, "unknown"),
        ("issue", found.issues, "no issue named"),
        ("role at fault", found.roles, "unknown"),
        ("adapter", found.adapters, "unknown"),
        ("step", found.steps, "no step was made"),
    )
    for title, counts, unnamed in tables:
        print_line()
        columns = (Column(title, wraps=20), "failures", "of runs", "rate", Column("95 % interval", rank=1))
        print_table(columns, [_row(each, unnamed) for each in counts[:SHOWN]])
        if len(counts) > SHOWN:
            print_line(f"and {len(counts) - SHOWN} more; --json has all")


def _row(each: FailureCount, unnamed: str) -> tuple[Any, ...]:
    rate, interval = each.rate, each.rate.interval
    between = None if interval is None else f"{interval[0] * 100:.0f} to {interval[1] * 100:.0f} %"
    name = unnamed if each.name is None else short_text(each.name, 60)
    return name, rate.failures, rate.known, show_share(rate.rate), between


def _print_groups(found: Failures) -> None:
    """Print the groups of similar failures."""
    print_line()
    columns = (
        Column("group"),
        Column("failures"),
        Column("of runs", rank=2),
        Column("what they share", wraps=24),
        Column("rate by adapter", wraps=16),
    )
    rows = [
        (
            short_id(group.id),
            len(group.runs),
            group.rate.known,
            group.name,
            ", ".join(_say_adapter(each) for each in group.by_adapter[:4]),
        )
        for group in found.groups[:SHOWN]
    ]
    print_table(columns, rows, "no failures are alike")
    if len(found.groups) > SHOWN:
        print_line(f"and {len(found.groups) - SHOWN} more; --json has all")
    if found.alone:
        print_line(f"{count(found.alone, 'failure')} like no other")
    if found.erased:
        print_line(f"{count(found.erased, 'failure')} in no group, because the words were erased")


def _print_group(group: FailureGroup) -> None:
    """Print one group with its runs and the commands that lead on."""
    print_line(f"{group.name}: {count(len(group.runs), 'similar failure')}")
    print_line(f"{group.corrected} corrected, {group.unrated} unrated; role at fault in most of them: {group.role}")
    columns = (Column("adapter", wraps=16), "failures", "of runs", "rate", Column("95 % interval", rank=1))
    print_table(columns, [_row(each, "unknown") for each in group.by_adapter])
    runs = [short_id(run) for run in group.runs[:LISTED]]
    more = f" and {len(group.runs) - LISTED} more" if len(group.runs) > LISTED else ""
    print_line(f"runs, the newest first: {', '.join(runs)}{more}")
    steps = group.next_steps
    for purpose, command in (("see one", f"show {runs[0]}"), ("rate", steps.rate), ("correct", steps.correct)):
        if command is not None:
            print_line(f"{purpose}: grokputer {command}")
    print_line(f"train on all corrections of the role: grokputer {steps.train}")


def _print_advice(found: Failures) -> None:
    """Print the advice for each role that has runs or corrections."""
    told = [each for each in found.advice if each.known or each.corrected or each.low_ratings or each.unattributed]
    if not told:
        return
    print_line()
    columns = (
        Column("role"),
        Column("low ratings", wraps=7),
        Column("corrected", rank=1),
        Column("gain at most", wraps=7),
        Column("cost", rank=2, wraps=10),
        Column("advice", wraps=30),
    )
    rows = [
        (each.role, each.low_ratings, each.corrected, show_share(each.gain), each.price, each.sentence) for each in told
    ]
    print_table(columns, rows)


def _say_adapter(each: FailureCount) -> str:
    return f"{each.name} {_say_rate(each.rate)}"


def _say_rate(rate: FailureRate) -> str:
    return "-" if rate.rate is None else f"{rate.rate * 100:.0f} %"
