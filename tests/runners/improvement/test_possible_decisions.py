"""Which decisions a person can make on a rollout: those that are not refused when they are made, in every phase."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grokputer.domain.errors import NotPossible
from grokputer.domain.vocabulary import HandDecision
from grokputer.runners.improvement.rollouts import decide_by_hand, decisions_by_hand, rollback_targets
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases import rollouts
from story import Story

Move = Callable[[Ledger], object]


def pause(ledger: Ledger) -> object:
    return rollouts.pause(ledger, "lora-v2", reason="wait", actor="ada")


def promote(ledger: Ledger) -> object:
    return rollouts.promote(ledger, "lora-v2", reason="good", actor="ada")


def roll_back(ledger: Ledger) -> object:
    return rollouts.roll_back(ledger, "lora-v2", reason="bad", actor="ada")


PHASES: dict[str, tuple[Move, ...]] = {
    "progressing": (),
    "paused": (pause,),
    "live": (promote,),
    "rolled back": (roll_back,),
    "live and then rolled back": (promote, roll_back),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    story = Story(tmp_path_factory.mktemp("possible") / "events.db")
    story.promote()
    story.prove(story.train(story.ask()))
    story.ledger.close()
    return story.path


def is_taken(path: Path, wanted: HandDecision) -> bool:
    copy = path.parent.with_name(f"{path.parent.name}-{wanted.name}")
    shutil.copytree(path.parent, copy)
    ledger = Ledger.open(copy / path.name)
    share = 33 if wanted == HandDecision.SHARE else None
    try:
        decide_by_hand(ledger, load_state(ledger), "lora-v2", wanted, "tried", "ada", share=share)
    except NotPossible:
        return False
    finally:
        ledger.close()
    return True


@pytest.mark.parametrize("phase", PHASES)
def test_the_possible_decisions_are_those_that_are_not_refused(told: Path, tmp_path: Path, phase: str) -> None:
    shutil.copytree(told.parent, tmp_path / "log")
    ledger = Ledger.open(tmp_path / "log" / told.name)
    for move in PHASES[phase]:
        move(ledger)
    before = ledger.position
    possible = decisions_by_hand(ledger, load_state(ledger), "lora-v2")
    assert ledger.position == before
    ledger.close()
    assert possible == [wanted for wanted in HandDecision if is_taken(ledger.path, wanted)]


def test_the_runs_of_a_live_adapter_can_go_to_the_base_or_to_what_was_live_before(told: Path, tmp_path: Path) -> None:
    shutil.copytree(told.parent, tmp_path / "log")
    ledger = Ledger.open(tmp_path / "log" / told.name)
    assert rollback_targets(load_state(ledger), "lora-v2") == []
    promote(ledger)
    assert rollback_targets(load_state(ledger), "lora-v2") == ["base", "lora-v1"]
    assert decisions_by_hand(ledger, load_state(ledger), "lora-v9") == []
