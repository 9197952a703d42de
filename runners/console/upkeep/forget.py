"""Forgetting: the words of a run or a person are deleted for good; who asked for it and why stays on record."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.errors import Hint, NotPossible
from ....projections.wording.sentences import count, short_id
from ..hints import suggest
from ..options import DEFAULT_DB, Actor, AsJson, Db, find_run, name_actor, open_ledger
from ..rendering import print_json, print_line, say

if TYPE_CHECKING:
    from ...archive.erasure import Target, Words
    from ...improvement.tuning.elsewhere import CopyElsewhere
    from ...use_cases.erasures import Erasure


def forget(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run whose words are deleted.")] = None,
    person: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Delete all that this person asked, said, corrected or imported instead."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is on record for good.")] = "",
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Request a training without them if the live adapter was trained on them.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted; delete nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete without asking; required where stdin is not a terminal.")
    ] = False,
    by: Actor = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Delete words for good: questions, prompts, answers, comments, issues, corrections, imported examples, a person's name.

    No byte of them is left in the log's files, and texts that no event names are deleted too. The events stay, and so does the
    proof over them ('grokputer verify').
    Adapters that were trained on the words are named, and so is what endpoints have of them: datasets that were sent there are
    deleted there where that is possible, tuned models are not. Delete backups, exports and datasets that you made yourself.
    It prints the number of texts and asks first, unless --yes is given.

    \b
    Examples:
      grokputer forget 3fa2 --reason "asked for by the user" --yes
      grokputer forget --person bob --reason "left the team" --retrain
    """
    from ...archive.erasure import Target
    from ...use_cases import erasures as use_case

    if (run is None) == (person is None):
        raise NotPossible("the words of a run or of a person can be deleted; give either", hint=Hint.NAME_RUN_OR_PERSON)
    ledger = open_ledger(db)
    target = Target(find_run(ledger, run).hex if run is not None else None, person)
    if ledger.database.remains and (dry_run or reason.strip()):
        say(f"out of reach: {ledger.database.remains}")
    if dry_run:
        _report(target, use_case.preview_erasure(ledger, target), as_json, "would be ")
        return
    if reason.strip() and not yes:
        _confirm(target, use_case.preview_erasure(ledger, target).words)
    try:
        done = use_case.forget(ledger, target, reason=reason, actor=name_actor(by), retrain=retrain)
    except use_case.TracesRemain as left:
        _report(target, left.done, as_json, "")
        raise
    _report(target, done, as_json, "")
    if not as_json:
        suggest("verify", db)


def _report(target: Target, done: Erasure, as_json: bool, manner: str) -> None:
    words = done.words
    if as_json:
        shown: dict[str, Any] = {"texts": len(words.keys), "runs": sorted(words.runs), "adapters": words.adapters}
        shown |= {"unnamed": words.unnamed, "plain_names": words.plain}
        elsewhere = [asdict(copy) for copy in done.elsewhere]
        print_json({**shown, "trainings_requested": done.requested, "elsewhere": elsewhere})
        return
    if not words.keys:
        print_line(f"there are no words of {_name(target)}")
    else:
        print_line(f"{_count(target, words)}, {manner}deleted")
    _print_left(words)
    if words.adapters:
        print_line(f"trained on them: {', '.join(words.adapters)}")
        if not done.requested and not manner:
            say(
                "what they learnt is in their weights; ask for a training without them with --retrain or 'grokputer train'"
            )
    for copy in done.elsewhere:
        print_line(_say_copy(copy, manner))
    for role, why in done.refused.items():
        say(f"no training is requested: {why}; then run 'grokputer train {role}'")
    for role in done.requested:
        print_line(f"a training for role {role} without them is requested; 'grokputer work' runs it")


def _print_left(words: Words) -> None:
    """Print what is deleted beside the words, and what stays."""
    if words.unnamed:
        print_line(f"{count(words.unnamed, 'text')} that no event names deleted too")
    if words.under_way:
        runs = ", ".join(sorted(map(short_id, words.under_way))[:5])
        say(
            f"not ended: {runs}; what such a run records from now on is not deleted; run the command again when it has ended"
        )
    if words.plain:
        say(
            f"{count(words.plain, 'event')} of an earlier version {'hold' if words.plain > 1 else 'holds'} the name itself, "
            "which stays: a stored event never changes"
        )


def _say_copy(copy: CopyElsewhere, manner: str) -> str:
    """What an endpoint has of a training on the words, and who deletes it."""
    where, by_hand = f"at {copy.endpoint}, of training {short_id(copy.training)}", "delete it there by hand"
    match copy.kind:
        case "model":
            return f"model {copy.id} {where}: it cannot be reached from here, and keeps what it learnt; {by_hand}"
        case "job":
            return f"job {copy.id} {where}: it is tuning on them; 'grokputer train cancel {short_id(copy.training)}' ends it"
    name = f"file {copy.id} {where}"
    if copy.is_deleted:
        return f"{name}: deleted there"
    if manner:
        return f"{name}: {manner}deleted there"
    if copy.is_named:
        return f"{name}: it may have been sent, and {copy.problem}; look there, and {by_hand}"
    return f"{name}: not deleted there: {copy.problem}; {by_hand}"


def _name(target: Target) -> str:
    return f"run {short_id(target.run)}" if target.run is not None else str(target.person)


def _count(target: Target, words: Words) -> str:
    return f"{count(len(words.keys), 'text')} of {_name(target)}, in {count(len(words.runs), 'run')}"


def _confirm(target: Target, words: Words) -> None:
    """Ask before words are deleted. Raises ``NotPossible`` if the answer is no, or if stdin is not a terminal."""
    if not words.keys:
        return
    if not sys.stdin.isatty():
        raise NotPossible(
            f"{_count(target, words)}, would be deleted for good; give --yes to do it, or --dry-run to see more"
        )
    say(f"{_count(target, words)}, will be deleted for good")
    if not typer.confirm("delete them?", err=True):
        raise NotPossible("nothing was deleted")
