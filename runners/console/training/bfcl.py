"""The benchmark of function calls on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.errors import GrokputerError
from ..options import AsJson
from ..rendering import print_json, print_line, print_table, print_text

if TYPE_CHECKING:
    from ...bench.bfcl.plan import Arguments
    from ...bench.bfcl.report import Report

Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder of its log and results.")]
Seed = Annotated[
    int, typer.Option(help="The split into trained and tested functions, from 1 to 10; the training's seed too.")
]
Corrections = Annotated[
    str,
    typer.Option(metavar="N,M,...", help="Corrections after which an adapter is trained, counted from the beginning."),
]
Tested = Annotated[int, typer.Option(metavar="N", help="Held-out tasks that are measured, from 3 to 150.")]
Shots = Annotated[
    int, typer.Option(metavar="N", help="Examples in the prompt of the base's second measurement, 1 to 8.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of its log; may be repeated.")
]
Also = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="General text whose loss is measured too: one document, or with .jsonl one a line. Default: Python's language "
        "reference.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue DIR with the arguments of its last start.")]
FromLog = Annotated[bool, typer.Option("--from-log", help="Play nothing: only report on DIR.")]


def bfcl(
    out: Out = Path("bfcl"),
    seed: Seed = 1,
    corrections: Corrections = "120,240",
    tested: Tested = 150,
    shots: Shots = 3,
    set_: Set = None,
    also: Also = None,
    resume: Resume = False,
    from_log: FromLog = False,
    as_json: AsJson = False,
) -> None:
    """Measure what corrections teach about function calls, by the tasks and the checker of BFCL v4.

    The model is shown a request and the schemas of functions, and answers with one call. The base is measured without
    and with examples in the prompt, then each adapter, always on functions that no training sees. Tasks and checker
    come from the package bfcl-eval, which is installed for this alone: pip install --no-deps bfcl-eval==2026.3.23

    Stopped and started again with the same arguments, it continues. bfcl.json and bfcl.md are made from the log.

    \b
    Examples:
      grokputer bench bfcl --out bfcl
      grokputer bench bfcl --out bfcl-2 --seed 2 --corrections 60,120,240
      grokputer bench bfcl --out bfcl --from-log
    """
    from ...bench.bfcl.loop import earlier_arguments
    from ...bench.bfcl.plan import Arguments

    if resume or from_log:
        arguments = earlier_arguments(out)
    else:
        arguments = Arguments(seed, _numbers(corrections), tested, shots, set_ or ())
    result = _report(out) if from_log else _play(out, arguments, also)
    _show(result, out, as_json)


def _numbers(given: str) -> tuple[int, ...]:
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if not all(part.isdecimal() and len(part) < 7 for part in parts):
        raise GrokputerError(f"corrections cannot be {given!r}; give growing numbers from 1, as in 120,240")
    return tuple(map(int, parts))


def _play(out: Path, arguments: Arguments, also: Path | None) -> Report:
    """Play the benchmark, or what is left of it, and measure the general text."""
    from rich.console import Console

    from ...bench.bfcl.loop import adapters_by_cycle, log_of, run_bfcl
    from ...bench.bfcl.report import report
    from ...bench.bfcl.text import measure_text, read_text
    from ...store.log import Log
    from .demo import Shown

    text, display = read_text(also), Shown(Console(stderr=True))
    try:
        run_bfcl(out, arguments, display)
        display.phase(f"The loss on a general text: {text.name}")
        adapters = [name for name in adapters_by_cycle(Log.open(log_of(out))) if name is not None]
        return report(log_of(out), measure_text(out, log_of(out), text, adapters))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _report(out: Path) -> Report:
    from ...bench.bfcl.loop import log_of
    from ...bench.bfcl.report import report
    from ...bench.bfcl.text import read_losses

    return report(log_of(out), read_losses(out))


def _show(result: Report, out: Path, as_json: bool) -> None:
    """Write the results into the folder and print them."""
    from ...bench.bfcl import report as made

    made.write_report(result, out)
    if as_json:
        print_json(made.as_document(result))
        return
    print_table(made.COLUMNS, made.stage_rows(result))
    print_text(f"{made.CAPTION}\n")
    print_table(made.ERROR_COLUMNS, made.error_rows(result))
    if result.losses:
        print_text("")
        print_table(made.TEXT_COLUMNS, made.text_rows(result))
        print_text(made.say_text(result))
    print_line(f"written: bfcl.json and bfcl.md in {out}")
