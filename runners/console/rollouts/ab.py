"""A/B: two adapters on the same pages, the differences with their intervals, and a go or no-go by the user's bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.ab.decision import Bars, count_pairs
from ....domain.durations import show_duration
from ....domain.errors import NotFound, NotPossible
from ....domain.events import ComparisonStarted
from ....projections.state.ratings import BASE
from ....projections.wording.sentences import short_id
from ...environments.names import MINIWOB
from ..completion import offer_arms
from ..hints import suggest
from ..options import DEFAULT_DB, Actor, AsJson, Db, name_actor, open_ledger, open_log
from ..rendering import print_json, print_line, say
from .ab_report import describe_played, report, show_list

if TYPE_CHECKING:
    from uuid import UUID

    from ....domain.aggregates.comparison import Design
    from ....projections.state.state import State
    from ...store.ledger import Ledger
    from ...store.log import Log
    from ...wiring.services import Services

First = Annotated[
    str | None,
    typer.Argument(
        metavar="A", help="The adapter in use: its name, or 'base'. Without it: a list.", autocompletion=offer_arms
    ),
]
Second = Annotated[
    str | None, typer.Argument(metavar="B", help="The adapter that may replace it.", autocompletion=offer_arms)
]
Tasks = Annotated[str | None, typer.Option(metavar="T,U,...", help="Tasks of the environment, comma separated.")]
Env = Annotated[
    str | None,
    typer.Option(help="The environment; it must judge runs and have seeds. Default: the one that has the tasks."),
]
Episodes = Annotated[int, typer.Option(help="Pages of each task; both adapters do each page.")]
Seed = Annotated[
    int | None,
    typer.Option(help="Seed of each task's first page; the others follow. Default: computed from the other arguments."),
]
Judge = Annotated[
    str | None, typer.Option(metavar="MODULE:OBJECT", help="The reviewer; default: ratings from the task's own reward.")
]
FromLog = Annotated[
    bool,
    typer.Option(
        "--from-log", help="Run nothing: report on comparison A, or on the newest, with the ratings given since."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be run; run and record nothing.")]


def ab(
    a: First = None,
    b: Second = None,
    tasks: Tasks = None,
    env: Env = None,
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

    The bars are the settings ab.*: how many stars or points of success better, beyond chance, and how much slower at most.
    Runs go one at a time, since latency is measured. Stopped and started again with the same arguments, it continues; for a
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
    db: str,
    names: tuple[str, str],
    env: str | None,
    tasks: str,
    episodes: int,
    seed: int | None,
    named: str | None,
    actor: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    from rich.console import Console

    from ...feedback.reviewer import load_reviewer
    from ...improvement.ab.comparison import plan
    from ...store.states import load_state
    from ...use_cases.adapters.comparisons import play_comparison
    from ...wiring.services import Services
    from ..progress import CountProgress

    ledger = open_ledger(db)
    reviewer = load_reviewer(named) if named is not None else None
    state = load_state(ledger)
    wanted = tuple(dict.fromkeys(task for name in tasks.split(",") if (task := name.strip())))
    with Services(ledger, state, say) as services:
        env, wanted = _locate(services, env, wanted)
        place = env, services.environment(env)
        design = plan(state, services.base_label, *names, place, wanted, episodes, seed, named or "")
        if dry_run:
            _preview(ledger, state, design, as_json)
            return
        say(f"{names[0]} and {names[1]} on {count_pairs(design.pairs)} of pages, comparison {short_id(design.id.hex)}")
        progress = CountProgress(Console(stderr=True))
        try:
            play_comparison(ledger, services, design, actor=actor, reviewer=reviewer, progress=progress)
        except KeyboardInterrupt:
            progress.close()
            say("stopped; the same command continues it")
            raise typer.Exit(130) from None
        finally:
            progress.close()
    report(ledger, design.id, as_json)


def _locate(services: Services, env: str | None, tasks: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The environment of the tasks, and their names there. Raises ``NotPossible`` where they are of several."""
    if env is not None:
        return env, tasks
    located = [services.locate(task) for task in tasks]
    names = sorted({place for place, _ in located}) or [MINIWOB]  # where no task is named, the comparison says so
    if len(names) > 1:
        raise NotPossible(f"the tasks are of {' and '.join(names)}; compare on those of one")
    return names[0], tuple(task for _, task in located)


def _preview(ledger: Ledger, state: State, design: Design, as_json: bool) -> None:
    """Print what would be run, and an estimate of its time."""
    from ...improvement.ab.results import count_played, next_run

    left = sum(next_run(ledger, design, place, arm) is not None for place in design.places() for arm in place.order)
    bars, played = Bars.of(state.policy, design.role), count_played(ledger, design)
    rows = [row for row in state.metrics.rows() if row["adapter"] in (design.a or BASE, design.b or BASE)]
    timed = [(row["mean_ms"], row["runs"]) for row in rows if row["mean_ms"] is not None]
    runs = sum(count for _, count in timed)
    seconds = left * sum(mean_ms * count for mean_ms, count in timed) / runs / 1000 if runs else None
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
        f": {show_duration(seconds)} or less, by earlier runs" if seconds is not None else "; how long is not known yet"
    )
    print_line(f"{left} runs to make of {2 * design.pairs}, one at a time{lasts}")
    print_line(f"a go needs {bars}, over {bars.minimum} pairs or more")
    if played:
        print_line(describe_played(played, design.pairs))


def _find(log: Log, prefix: str | None) -> UUID:
    """The comparison whose id begins with the prefix, or the newest. Raises ``NotFound``."""
    from uuid import UUID

    if prefix is None:
        newest = [recorded.event.originator_id for recorded in log.read(1, None, (ComparisonStarted.TOPIC,))][-1:]
        if not newest:
            raise NotFound("no comparison yet; start one with 'grokputer ab base lora-v1 --tasks click-button'")
        return newest[0]
    ids = log.ids_like(prefix, ComparisonStarted.TOPIC)
    if len(ids) != 1:
        how_many = "more than one" if ids else "no"
        raise NotFound(
            f"{how_many} comparison begins with {prefix!r}; give four characters of its id or more, see 'grokputer ab'"
        )
    return UUID(ids[0])
