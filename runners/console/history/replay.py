"""Replay: compute everything from the log again and compare it with what is saved, or make every decision again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, open_log
from ..rendering import print_json, print_line, print_table, say

if TYPE_CHECKING:
    from ...improvement.repeated_decisions import RepeatedDecision
    from ...store.log import Log

SHOWN = 10
"""Decisions with another result that are printed one by one."""


def replay(
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Make every decision again instead, as it was made then.")
    ] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Rebuild every view from the log alone, or make every decision again.

    Prints for each whether it is equal to the bit; exits with 1 when one differs. Decisions are breaches, requested trainings,
    datasets, gates, the arms of runs, looks at a canary, promotions, rollbacks, comparisons and alerts; the decisions of
    people are left as they are. A decision that rests on erased words cannot be made again: it is listed, and does not count
    as a difference.

    \b
    Examples:
      grokputer replay
      grokputer replay --decisions --json
    """
    from rich.console import Console

    from ...archive.replay import replay as rebuild
    from ..progress import ReplayProgress

    if decisions:
        _decide_again(open_log(db), as_json)
        return
    result = rebuild(open_log(db), ReplayProgress(Console(stderr=True)))
    if result.unwritable is not None:
        say(f"the views were compared as they stand: {result.unwritable}")
    if as_json:
        print_json({"events": result.events, "is_equal": result.is_equal, "equal": result.equal})
    else:
        print_line(f"{result.events} events replayed")
        print_table(("view", "result"), ((view, "equal" if same else "differs") for view, same in result.equal.items()))
    if not result.is_equal:
        raise typer.Exit(1)
    if not as_json:
        suggest("verify", db)


def _decide_again(log: Log, as_json: bool) -> None:
    from ...improvement.repeated_decisions import decide_again

    counts: dict[str, list[int]] = {}
    different: list[RepeatedDecision] = []
    erased: list[RepeatedDecision] = []
    for decision in decide_again(log):
        count = counts.setdefault(decision.kind, [0, 0])
        count[0] += 1
        count[1] += not decision.difference
        if decision.difference:
            (erased if decision.erased_at else different).append(decision)
    total = sum(made for made, _ in counts.values())
    if as_json:
        kinds = {kind: {"made": made, "equal": equal} for kind, (made, equal) in sorted(counts.items())}
        document: dict[str, Any] = {"decisions": total, "is_equal": not different, "kinds": kinds}
        document["different"] = [
            {name: vars(decision)[name] for name in ("position", "kind", "difference")} for decision in different
        ]
        document["erased"] = [
            {name: vars(decision)[name] for name in ("position", "kind", "erased_at")} for decision in erased
        ]
        print_json(document)
    else:
        print_line(f"{total} decisions made again, {total - len(different) - len(erased)} of them equal to the bit")
        rows = ((kind, made, equal) for kind, (made, equal) in sorted(counts.items()))
        print_table(
            ("decision", "made", "equal"),
            rows,
            "no decisions yet; a breach and each check of a canary are some",
        )
        _print_some([f"at {decision.position}, {decision.kind}: {decision.difference}" for decision in different])
        _print_some(
            [
                f"at {decision.position}, {decision.kind}: cannot be made again: words were erased at {decision.erased_at}"
                for decision in erased
            ]
        )
    if different:
        raise typer.Exit(1)


def _print_some(lines: list[str]) -> None:
    for line in lines[:SHOWN]:
        print_line(line)
    if len(lines) > SHOWN:
        print_line(f"and {len(lines) - SHOWN} more; --json lists all")
