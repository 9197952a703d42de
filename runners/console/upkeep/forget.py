"""Forgetting: a run's or a person's words are deleted for good, and who asked for it and why is on record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.errors import GrokputerError, NotPossible
from ....projections.explain.sentences import count, short_id
from ..hints import suggest
from ..options import DEFAULT_DB, Actor, AsJson, Db, find_run, name_actor, open_ledger
from ..rendering import print_json, print_line, say

if TYPE_CHECKING:
    from ....projections.state.state import State
    from ...archive.erasure import Target, Words
    from ...store.ledger import Ledger


def forget(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run whose words are deleted.")] = None,
    person: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Delete all that this person asked, said, corrected or imported instead."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is on record for good.")] = "",
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Ask for a training without them where what is live was trained on them.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted; delete nothing.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete without asking; needed where no person can answer.")
    ] = False,
    by: Actor = None,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """Delete words for good: questions, prompts, answers, comments, issues, corrections, imported examples, a person's name.

    No byte of them is left in the log's files, and texts that no event names go with them. The events stand, and so does the
    proof over them ('grokputer verify').
    Adapters that were trained on the words are named. Backups, exports and datasets that you made are yours to delete.
    It says how many texts they are and asks first, unless --yes is given.

    \b
    Examples:
      grokputer forget 3fa2 --reason "asked for by the user" --yes
      grokputer forget --person bob --reason "left the team" --retrain
    """
    from ...archive.erasure import Target, drop_datasets, erase, find_words
    from ...improvement.process_manager import process_new_events
    from ...store.log import adapters_folder

    if (run is None) == (person is None):
        raise GrokputerError("name a run, or a person with --person, and not both; see 'grokputer runs'")
    ledger = open_ledger(db)
    target = Target(find_run(ledger, run).hex if run is not None else None, person)
    actor = name_actor(by)
    if dry_run:
        _report(target, find_words(ledger, target), [], as_json, "would be ")
        return
    if reason.strip() and not yes:
        _confirm(target, find_words(ledger, target))
    state = process_new_events(ledger)
    if retrain:
        _check_lineage(state)
    words = erase(ledger, target, reason, actor)
    drop_datasets(adapters_folder(ledger.path), words.trainings)
    if actor == person and words.person is not None:
        actor = words.person
    requested = _retrain(ledger, state, words, actor) if retrain else []
    process_new_events(ledger)
    _report(target, words, requested, as_json, "")
    if not as_json:
        suggest("verify", db)


def _report(target: Target, words: Words, requested: list[str], as_json: bool, manner: str) -> None:
    if as_json:
        shown: dict[str, Any] = {"texts": len(words.keys), "runs": sorted(words.runs), "adapters": words.adapters}
        shown |= {"unnamed": words.unnamed, "plain_names": words.plain}
        print_json({**shown, "trainings_requested": requested})
        return
    whose = _name(target)
    if not words.keys:
        print_line(f"there are no words of {whose}")
    else:
        print_line(f"{_count(target, words)}, {manner}deleted")
    if words.unnamed:
        print_line(f"{count(words.unnamed, 'text')} that no event names deleted too")
    if words.under_way:
        runs = ", ".join(sorted(map(short_id, words.under_way))[:5])
        say(
            f"not ended: {runs}; what such a run records from now on is not deleted, give the command again when it has ended"
        )
    if words.plain:
        say(
            f"{count(words.plain, 'event')} of an earlier version {'hold' if words.plain > 1 else 'holds'} the name itself, "
            "which stays: a stored event never changes"
        )
    if words.adapters:
        print_line(f"trained on them: {', '.join(words.adapters)}")
        if not requested and not manner:
            say(
                "what they learnt is in their weights; ask for a training without them with --retrain or 'grokputer train'"
            )
    for role in requested:
        print_line(f"a training for role {role} without them is requested; 'grokputer work' carries it out")


def _name(target: Target) -> str:
    return f"run {short_id(target.run)}" if target.run is not None else str(target.person)


def _count(target: Target, words: Words) -> str:
    return f"{count(len(words.keys), 'text')} of {_name(target)}, in {count(len(words.runs), 'run')}"


def _confirm(target: Target, words: Words) -> None:
    """Ask before words are deleted. Raises ``NotPossible`` where the answer is no, or no person is there to answer."""
    if not words.keys:
        return
    if not sys.stdin.isatty():
        raise NotPossible(
            f"{_count(target, words)}, would be deleted for good; give --yes to do it, or --dry-run to see more"
        )
    say(f"{_count(target, words)}, will be deleted for good")
    if not typer.confirm("delete them?", err=True):
        raise NotPossible("nothing was deleted")


def _check_lineage(state: State) -> None:
    for role in _trained_roles(state):
        if state.policy.recipe_figures(role)["init_from"] == "parent":
            raise GrokputerError(
                f"trainings of role {role} go on from the live adapter, which would keep what it learnt; set "
                "training.init_from to base first"
            )


def _retrain(ledger: Ledger, state: State, words: Words, actor: str) -> list[str]:
    """Ask for a training of each role whose live adapter was trained on the words."""
    asked = []
    for role in _trained_roles(state):
        live = state.traffic(role).stable
        if live in words.adapters and _ask(ledger, role, actor):
            asked.append(role)
    return asked


def _trained_roles(state: State) -> list[str]:
    return sorted({adapter["role"] for adapter in state.registry.adapters.values()})


def _ask(ledger: Ledger, role: str, actor: str) -> bool:
    from ...improvement.process_manager import open_cycle

    try:
        open_cycle(ledger, role, "train without words that were erased", actor)
    except NotPossible as error:
        say(f"no training is requested: {error}; then give 'grokputer train {role}'")
        return False
    return True
