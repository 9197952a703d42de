"""A/B: two adapters on the same pages, the differences with their intervals, and a go or no-go at the user's bars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.ab.decision import Bars, count_pairs
from ....domain.durations import show_duration
from ....domain.errors import NotFound
from ....domain.events import ComparisonStarted
from ....projections.explain.sentences import short_id
from ....projections.state.ratings import BASE
from ...environments.names import MINIWOB
from ..completion import offer_arms
from ..hints import suggest
from ..options import DEFAULT_DB, Actor, AsJson, Db, name_actor, open_ledger, open_log
from ..rendering import print_json, print_line, say
from .ab_report import report, show_list, tell_played

if TYPE_CHECKING:
    from uuid import UUID

    from ....domain.aggregates.comparison import Design
    from ....projections.state.state import State
    from ...store.ledger import Ledger
    from ...store.log import Log

First = Annotated[
    str | None,
    typer.Argument(
        metavar="A", help="What is in use: an adapter's name, or 'base'. Without it: a list.", autocompletion=offer_arms
    ),
]
Second = Annotated[str | None, typer.Argument(metavar="B", help="What may take its place.", autocompletion=offer_arms)]
Tasks = Annotated[str | None, typer.Option(metavar="T,U,...", help="Tasks of the environment, comma separated.")]
Env = Annotated[str, typer.Option(help="The environment; it must judge runs and have seeds.")]
Episodes = Annotated[int, typer.Option(help="Pages of each task; each is done by both.")]
Seed = Annotated[
    int | None, typer.Option(help="Of each task's first page, the others' follow; default: follows from all else.")
]
Judge = Annotated[
    str | None, typer.Option(metavar="MODULE:OBJECT", help="Who rates; default: from the task's own reward.")
]
FromLog = Annotated[
    bool, typer.Option("--from-log", help="Run nothing: report on comparison A, or on the newest, with ratings since.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be run; run and record nothing.")]


def ab(
    a: First = None,
    b: Second = None,
    tasks: Tasks = None,
    env: Env = MINIWOB,
    episodes: Episodes = 20,
    seed: Seed = None,
    reviewer: Judge = None,
    from_log: FromLog = False,
    dry_run: DryRun = False,
    by: Actor = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Compare two adapters on the same pages: is B a go?

    The bars are the settings ab.*: so many stars or points of success better, beyond chance, and not too much slower. Runs go
    one at a time, since latency is measured. Killed and started again with the same arguments, it goes on where it was; for a
    second opinion give another --seed.

    \b
    Examples:
      grokputer ab base lora-v1 --tasks click-button,login-user
      grokputer ab lora-v1 lora-v2 --tasks login-user --episodes 100 --dry-run
      grokputer ab --from-log --json
    """
    if from_log:
        if b is not None:
            raise typer.BadParameter("--from-log takes the beginning of one comparison's id, or nothing for the newest")
        log = open_log(db)
        report(log, _find(log, a), as_json)
    elif a is None:
        has_some = show_list(open_log(db), as_json)
        if not as_json:
            suggest("ab --from-log" if has_some else "adapters", db)
    elif b is None or tasks is None:
        raise typer.BadParameter(
            "give two adapters (or 'base') and --tasks, as in: ab base lora-v1 --tasks click-button"
        )
    else:
        _compare(db, (a, b), env, tasks, episodes, seed, reviewer, name_actor(by), dry_run, as_json)


def _compare(
    db: Path,
    names: tuple[str, str],
    env: str,
    tasks: str,
    episodes: int,
    seed: int | None,
    named: str | None,
    actor: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    from rich.console import Console

    from ...ab.comparison import plan
    from ...feedback.reviewer import load_reviewer
    from ...store.states import load_state
    from ...use_cases.comparisons import play_comparison
    from ...wiring.services import Services
    from ..progress import CountProgress

    ledger = open_ledger(db)
    reviewer = load_reviewer(named) if named is not None else None
    state = load_state(ledger)
    wanted = tuple(dict.fromkeys(task for it in tasks.split(",") if (task := it.strip())))
    with Services(ledger, state, say) as parts:
        place = env, parts.environment(env)
        design = plan(state, parts.base_label, *names, place, wanted, episodes, seed, named or "")
        if dry_run:
            _preview(ledger, state, design, as_json)
            return
        say(f"{names[0]} and {names[1]} on {count_pairs(design.pairs)} of pages, comparison {short_id(design.id.hex)}")
        progress = CountProgress(Console(stderr=True))
        try:
            play_comparison(ledger, parts, design, actor=actor, reviewer=reviewer, progress=progress)
        except KeyboardInterrupt:
            progress.close()
            say("stopped; the same command goes on from the log")
            raise typer.Exit(130) from None
        finally:
            progress.close()
    report(ledger, design.id, as_json)


def _preview(ledger: Ledger, state: State, design: Design, as_json: bool) -> None:
    """What would be run, and about how long that would take."""
    from ...ab.results import count_played, next_run

    left = sum(next_run(ledger, design, it, arm) is not None for it in design.places() for arm in it.order)
    bars, played = Bars.of(state.policy, design.role), count_played(ledger, design)
    rows = [row for row in state.metrics.rows() if row["adapter"] in (design.a or BASE, design.b or BASE)]
    runs = sum(row["runs"] for row in rows)
    seconds = left * sum(row["mean_ms"] * row["runs"] for row in rows) / runs / 1000 if runs else None
    if as_json:
        print_json(
            {
                "comparison": design.id.hex,
                **{name: getattr(design, name) for name in ("a", "b", "role", "tasks", "episodes", "seed")},
                "pairs": design.pairs,
                "runs_left": left,
                "played_before": played,
                "bars": bars.as_numbers(),
                "seconds": seconds and round(seconds, 1),
            }
        )
        return
    last = design.seed + design.episodes - 1
    print_line(
        f"{count_pairs(design.pairs)}: {design.episodes} pages of {', '.join(design.tasks)}, seeds {design.seed} to {last}"
    )
    lasts = (
        f": {show_duration(seconds)} or less, by earlier runs"
        if seconds is not None
        else "; nothing tells how long yet"
    )
    print_line(f"{left} runs to make of {2 * design.pairs}, one at a time{lasts}")
    print_line(f"a go needs {bars}, over {bars.minimum} pairs or more")
    if played:
        print_line(tell_played(played, design.pairs))


def _find(log: Log, prefix: str | None) -> UUID:
    """The comparison whose id begins so, or the newest. Raises ``NotFound``."""
    from uuid import UUID

    if prefix is None:
        newest = [recorded.event.originator_id for recorded in log.read(1, None, (ComparisonStarted.TOPIC,))][-1:]
        if not newest:
            raise NotFound("no comparison yet; start one with 'grokputer ab base lora-v1 --tasks click-button'")
        return newest[0]
    found = log.ids_like(prefix, ComparisonStarted.TOPIC)
    if len(found) != 1:
        how_many = "more than one" if found else "no"
        raise NotFound(
            f"{how_many} comparison begins with {prefix!r}; give four characters of its id or more, see 'grokputer ab'"
        )
    return UUID(found[0])
