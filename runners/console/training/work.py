"""The log and its worker: making a log, doing what it asks for, and the demo of it all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...store.place import read_place
from ..hints import suggest
from ..options import DEFAULT_DB, Db, folder_of_log, open_ledger, until_command_ends
from ..rendering import print_line, say


def init(db: Db = DEFAULT_DB) -> None:
    """Create an empty log. A log that exists already stays as it is.

    \b
    Examples:
      grokputer init
      grokputer init --db work/events.db
    """
    from ...store.ledger import Ledger
    from ...store.place import open_store

    place = read_place(db)
    is_new = open_store(place).is_blank()
    with folder_of_log(db):
        position = until_command_ends(Ledger.create(place)).position
    print_line(f"made the log {place}" if is_new else f"the log {place} exists already, with {position} events")
    suggest("status" if position else "run click-button", db)


def work(
    once: Annotated[bool, typer.Option("--once", help="Do what there is to do now, then end.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="End at once, with exit code 1, if another worker is running.")
    ] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Do what the log asks for.

    Trainings, proofs and looks at the canary, by one worker at a time: a second one waits until the first ends. When there
    is nothing to do, it prints what each role waits for.

    \b
    Examples:
      grokputer work --once --no-wait
      grokputer work --db events.db
    """
    from rich.console import Console

    from ...improvement.worker import Reporter
    from ...improvement.worker import work as carry_out
    from ..progress import GateProgress, TrainingProgress

    ledger = open_ledger(db)
    console = Console(stderr=True)
    reporter = Reporter(say=print_line, progress=TrainingProgress(console), count=GateProgress(console))
    try:
        carry_out(ledger, once=once, reporter=reporter, waits=not no_wait)
    except KeyboardInterrupt:
        say("stopped; the next worker continues from the log")
    suggest("status", db)


def demo(
    db: Annotated[
        Path, typer.Option("--db", metavar="PATH", help="The demo's own log; an older one is moved aside.")
    ] = Path("demo/events.db"),
    seed: Annotated[int, typer.Option(min=0, help="Which tasks' seeds are drawn; another seed is another demo.")] = 1,
    language: Annotated[
        bool,
        typer.Option("--llm", help="A language model (smollm2) in a shell, in place of the embedded one on web pages."),
    ] = False,
    desktop: Annotated[
        bool, typer.Option("--desktop", help="A language model (smollm2) that uses programs on a private desktop.")
    ] = False,
) -> None:
    """Play the whole loop on a separate log.

    Runs, ratings, a breach, a training, a canary, and the tasks again.

    \b
    Examples:
      grokputer demo
      grokputer demo --llm
      grokputer demo --desktop
      grokputer demo --seed 2 --db second/events.db
    """
    from .demo import LANGUAGE, PAGES, PROGRAMS, play

    if language and desktop:
        raise typer.BadParameter("--llm and --desktop are two demos; give one of them")
    play(db, seed, LANGUAGE if language else PROGRAMS if desktop else PAGES)
