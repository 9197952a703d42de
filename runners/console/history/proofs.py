"""Proofs: that the log is complete and unchanged, and of one event for a reader who does not have the log."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, folder_of, open_log
from ..rendering import print_json, print_line

if TYPE_CHECKING:
    from ...archive.integrity import Head


def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="SIZE:ROOT", help="A head that was kept elsewhere; may be repeated."),
    ] = None,
    proof: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check this proof of one event instead; needs no log.")
    ] = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Check that no event was edited, deleted, inserted, moved or cut off, that every text is unchanged, and the views.

    Prints the log's head: its size and a hash over all of it. Keep it where the people who can write to the log cannot
    write: it proves later that everything up to then is unchanged. Views are the SQL tables and the saved states, which
    follow from the events: edited ones are named, and 'grokputer replay' rebuilds them. Exits with 1, and names the first
    bad position or the view, when something was changed.

    \b
    Examples:
      grokputer verify
      grokputer verify --head 96:5d0c...
      grokputer verify --proof event.json --head 96:5d0c...
    """
    from ...archive.integrity import Head
    from ...archive.verification import verify_log

    heads = [Head.read(written) for written in head or ()]
    if proof is not None:
        _check_proof(proof, heads, as_json)
        return
    result = verify_log(open_log(db), heads)
    fault = {"position": result.fault.position, "reason": result.fault.reason} if result.fault else None
    if as_json:
        print_json(
            {
                "events": result.head.size,
                "head": str(result.head),
                "texts": result.texts,
                "fault": fault,
                "edited": list(result.edited),
            }
        )
    elif result.fault is None:
        print_line(f"{result.head.size} events and {result.texts} texts, all as they were written")
        print_line(f"head {result.head}")
        for view in result.edited:
            print_line(f"view {view} does not follow from the events: it was edited; 'grokputer replay' rebuilds it")
    else:
        print_line(result.fault)
    if not result.is_sound:
        raise typer.Exit(1)
    if not as_json:
        suggest("replay --decisions", db)


def prove(
    position: Annotated[int, typer.Argument(min=1, help="The event's position in the log.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the proof here instead of printing it.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Prove it for the head of this many events; default: of all.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Export the proof that an event is at its position, for a reader who has a head but not the log.

    The proof holds the event and some twenty hashes, however long the log is, and nothing else of the log.
    'docs/proofs.md' has its form, and a script of 40 lines that checks it with Python alone.

    \b
    Examples:
      grokputer prove 57
      grokputer prove 57 --out event.json
      grokputer verify --proof event.json --head 96:5d0c...
    """
    from ...archive.files import write_whole
    from ...archive.integrity import prove as find_proof

    proof = find_proof(open_log(db), position, size)
    if out is None:
        print_json(proof.to_json())
        return
    with folder_of(out), write_whole(out, replaces=True) as file:
        file.write((json.dumps(proof.to_json(), indent=2) + "\n").encode())
    print_line(f"proof of event {position} for the head {proof.head} is in {out}")
    suggest(f"verify --proof {shlex.quote(str(out))}")


def _check_proof(path: Path, heads: Sequence[Head], as_json: bool) -> None:
    from ...archive.verification import verify_proof

    proof = verify_proof(path, heads)
    if as_json:
        print_json({"position": proof.position, "topic": proof.topic, "head": str(proof.head), "holds": True})
        return
    print_line(f"event {proof.position}, {proof.topic}, is in the log with the head {proof.head}")
    print_line(proof.state)
    if not heads:
        print_line("compare the head with one that you trust: give that with --head")
