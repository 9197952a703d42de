"""Benchmarks: how much the agent learns from feedback."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...environments.names import MINIWOB
from ..options import AsJson
from ..rendering import is_terminal, print_drawing, print_json, print_line, print_table, print_text
from .bfcl import bfcl

if TYPE_CHECKING:
    from ...bench.bench import Arguments
    from ...bench.report import Report

bench = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@bench.callback()
def benchmarks() -> None:
    """Measure the learning on a public benchmark. It has its own logs in the folder of --out, and takes no --db.

    \b
    grokputer bench learn --out bench --seeds 1 --cycles 2
    grokputer bench learn --from-log bench
    grokputer bench bfcl --out bfcl
    """


bench.command()(bfcl)

Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of its logs and results; default: bench.")]
Feedback = Annotated[str, typer.Option(help="Kinds of feedback, comma separated.")]
Seeds = Annotated[int, typer.Option(min=1, help="How often each kind of feedback is played, with seeds 1, 2, ...")]
Cycles = Annotated[int, typer.Option(min=1, help="Trainings, one after another.")]
Episodes = Annotated[
    int,
    typer.Option(
        metavar="N", help="Rated runs in each cycle, those of the canary included: 50 or more, or 20 with --no-canary."
    ),
]
Measured = Annotated[int, typer.Option(min=1, help="Test runs of each task, before the first cycle and after each.")]
Tasks = Annotated[
    str | None, typer.Option(metavar="A,B,...", help="Tasks to learn; default: those that the base has never seen.")
]
OldTasks = Annotated[
    str | None, typer.Option(metavar="A,B,...", help="Tasks that must not be forgotten; default: the base's ten.")
]
Env = Annotated[str, typer.Option(help="Where: miniwob, shell, a plug-in, or a folder of tasks.")]
Judge = Annotated[str | None, typer.Option(metavar="MODULE:OBJECT", help="The reviewer; see domain/ports/reviewer.py.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of all its logs; may be repeated.")
]
Canary = Annotated[
    bool, typer.Option(help="Let a canary decide; without one, an adapter that passes the gate is promoted.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Loops played at a time, each with a share of the cores.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue DIR with the arguments of its last start.")]
FromLog = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR|FILE", help="Play nothing: only report on these logs; may be repeated."),
]


@bench.command()
def learn(
    out: Out = None,
    feedback: Feedback = "corrections,ratings,preferences",
    seeds: Seeds = 3,
    cycles: Cycles = 4,
    episodes: Episodes = 150,
    measure: Measured = 20,
    tasks: Tasks = None,
    old_tasks: OldTasks = None,
    env: Env = MINIWOB,
    reviewer: Judge = None,
    set_: Set = None,
    canary: Canary = True,
    jobs: Jobs = 1,
    resume: Resume = False,
    from_log: FromLog = None,
    as_json: AsJson = False,
) -> None:
    """Play cycles of feedback and training on tasks the base has never seen, and write the results.

    Stopped and started again with the same arguments, it continues. The table, learning.json, learning.md and
    learning.png are made from the logs alone, at any time.

    \b
    Examples:
      grokputer bench learn --out bench --feedback corrections --seeds 1
      grokputer bench learn --out shell-bench --env shell --tasks delete-file,back-up
      grokputer bench learn --from-log bench
    """
    from ...bench.report import find_logs, report

    if from_log:
        result = report(find_logs(from_log))
        _show(result, out or next((path for path in from_log if path.is_dir()), from_log[0].parent), as_json)
        return
    from ...bench.bench import Arguments, earlier_arguments
    from ...wiring.environments import open_environment

    folder = out or Path("bench")
    if resume:
        _play(folder, earlier_arguments(folder), jobs, as_json)
        return
    suggested = open_environment(env).suggest_tasks()
    unseen = tuple(suggested[0]) if tasks is None else _names(tasks)
    old = tuple(suggested[1]) if old_tasks is None else _names(old_tasks)
    kinds, settings = _names(feedback), set_ or ()
    arguments = Arguments(kinds, seeds, cycles, episodes, measure, unseen, old, canary, reviewer, settings, env)
    _play(folder, arguments, jobs, as_json)


def _play(folder: Path, arguments: Arguments, jobs: int, as_json: bool) -> None:
    """Play the benchmark, or what is left of it, and report."""
    from rich.console import Console

    from ...bench.bench import run_bench
    from ...bench.report import find_logs, report
    from .demo import Shown

    try:
        run_bench(folder, arguments, Shown(Console(stderr=True)), jobs)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    _show(report(find_logs([folder])), folder, as_json)


def _names(given: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in given.split(",")) if name)


def _show(result: Report, folder: Path, as_json: bool) -> None:
    """Write the results into the folder and print them."""
    from ...bench.drawing import draw_curve, plot_curve
    from ...bench.report import CAPTION, COLUMNS, as_document, point_rows, task_columns, task_rows, write_report

    write_report(result, folder)
    if as_json:
        print_json(as_document(result))
    else:
        print_table(COLUMNS, point_rows(result))
        print_text(f"{CAPTION}\n")
        print_table(task_columns(result), task_rows(result))
        print_drawing(f"\n{plot_curve(result, shutil.get_terminal_size((100, 24)).columns, is_terminal())}\n")
    draw_curve(result, folder / "learning.png")
    if not as_json:
        print_line(f"written: learning.json, learning.md and learning.png in {folder}")
