"""Decisions of several people at once: each is taken on what the log says when it is stored, one wins, the others are told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from grokputer.domain.errors import GrokputerError, NotPossible
from grokputer.domain.vocabulary import HandDecision
from grokputer.runners.improvement.process_manager import open_cycle, process_new_events
from grokputer.runners.improvement.rollouts import decide_by_hand
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from story import Story

PEOPLE = ("ada", "bob", "eve")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(tmp_path / "events.db")
    story.run()
    story.run()
    story.prove(story.train(story.ask()))
    return story


def at_once(path: Path, decide: Callable[[Ledger, str], None]) -> dict[str, str]:
    """Let all ``PEOPLE`` decide at the same moment, each over an own connection; what those who were refused were told."""
    told: dict[str, str] = {}
    barrier = threading.Barrier(len(PEOPLE))

    def one(person: str) -> None:
        ledger = Ledger.open(path)
        try:
            process_new_events(ledger)
            barrier.wait()
            decide(ledger, person)
        except GrokputerError as error:
            told[person] = str(error)
        finally:
            ledger.close()

    threads = [threading.Thread(target=one, args=(person,)) for person in PEOPLE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process_new_events(Ledger.open(path))
    return told


def by_hand(name: str, wanted: str, to: str | None = None, share: int | None = None) -> Callable[[Ledger, str], None]:
    """A decision on the state as it was before the others decided, which ``decide_by_hand`` must not rely on."""

    def decide(ledger: Ledger, person: str) -> None:
        decide_by_hand(ledger, load_state(ledger), name, HandDecision(wanted), "a", person, to=to, share=share)

    return decide


def topics(ledger: Ledger) -> Counter[str]:
    return Counter(it.event.TOPIC for it in ledger.read())


@pytest.mark.parametrize(
    ("wanted", "before", "to", "share", "topic", "alerts"),
    [
        ("roll back", ["promote"], "base", None, "AdapterRolledBack", 1),
        ("roll back", ["promote"], None, None, "AdapterRolledBack", 1),
        ("roll back", [], None, None, "AdapterRolledBack", 1),
        ("abort", [], None, None, "AdapterRolledBack", 1),
        ("promote", [], None, None, "AdapterPromoted", 0),
        ("pause", [], None, None, "RolloutPaused", 1),
        ("resume", ["pause"], None, None, "RolloutResumed", 0),
        ("share", [], None, 30, "CanaryWeightSet", 0),
        ("forward", ["promote", "roll back"], None, None, "AdapterPromoted", 1),
    ],
)
def test_if_three_people_decide_at_once_one_decides_and_the_others_learn_who_did(
    story: Story, wanted: str, before: list[str], to: str | None, share: int | None, topic: str, alerts: int
) -> None:
    for earlier in before:
        decide_by_hand(story.ledger, process_new_events(story.ledger), "lora-v1", HandDecision(earlier), "first", "zoe")
    process_new_events(story.ledger)
    had = topics(story.ledger)
    told = at_once(story.path, by_hand("lora-v1", wanted, to, share))
    now = topics(story.ledger)
    assert now[topic] - had[topic] == 1
    assert now["AlertRaised"] - had["AlertRaised"] == alerts
    [winner] = set(PEOPLE) - told.keys()
    for said in told.values():
        assert f"by {winner} at " in said and ": a" in said and "nothing was recorded" in said and "\n" not in said


def test_a_training_that_three_people_ask_for_at_once_is_asked_for_once(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    told = at_once(story.path, lambda ledger, person: open_cycle(ledger, "action", "more", person))
    [winner] = set(PEOPLE) - told.keys()
    assert topics(story.ledger)["TrainingRequested"] == 1
    assert all(f"opened by {winner} at " in said for said in told.values())


def test_a_decision_on_a_live_adapter_is_refused_if_another_became_live_meanwhile(story: Story) -> None:
    decide_by_hand(story.ledger, process_new_events(story.ledger), "lora-v1", HandDecision.PROMOTE, "good", "ada")
    process_new_events(story.ledger)
    story.prove(story.train(story.ask()))
    seen = process_new_events(story.ledger)
    other = Ledger.open(story.path)
    decide_by_hand(other, process_new_events(other), "lora-v2", HandDecision.PROMOTE, "better", "bob")
    with pytest.raises(NotPossible, match=r"lora-v1 is not live any more; .*lora-v2 was promoted by bob at .*: better"):
        decide_by_hand(story.ledger, seen, "lora-v1", HandDecision.ROLL_BACK, "bad", "ada", to="base")


def test_decisions_of_different_adapters_at_once_leave_one_live_adapter_and_replay(story: Story) -> None:
    decide_by_hand(story.ledger, process_new_events(story.ledger), "lora-v1", HandDecision.PROMOTE, "good", "zoe")
    process_new_events(story.ledger)
    story.prove(story.train(story.ask()))
    decide_by_hand(story.ledger, process_new_events(story.ledger), "lora-v2", HandDecision.PROMOTE, "good", "zoe")
    wanted = {"ada": ("lora-v1", "forward"), "bob": ("lora-v2", "roll back"), "eve": ("lora-v2", "forward")}
    at_once(story.path, lambda ledger, person: by_hand(*wanted[person])(ledger, person))
    state = process_new_events(story.ledger)
    live = [name for name, it in state.registry.adapters.items() if it.status == "live"]
    assert live == [state.traffic("action").stable]
