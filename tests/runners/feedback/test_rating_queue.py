"""The queue of runs that wait for a rating, and claims on them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from grokputer.runners.feedback.claims import VALID, claim_first, holder_of, release
from grokputer.runners.feedback.rating_queue import Order, RatingQueue
from grokputer.runners.store.ledger import Ledger
from story import Standing, Story


def queue_of(story: Story) -> RatingQueue:
    queue = RatingQueue()
    queue.follow(story.ledger)
    return queue


def test_ended_runs_without_a_rating_wait_the_oldest_first(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    first, rated, last = (story.run() for _ in range(3))
    story.rate(rated, 4)
    story.run(succeeds=False, reason="environment")
    queue = queue_of(story)
    assert list(queue.next(Order.OLDEST)) == [first, last]
    assert queue.count() == queue.count("action") == 2 and queue.count("ocr") == 0


def test_the_queue_follows_the_log(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    first = story.run()
    queue = queue_of(story)
    second = story.run()
    story.rate(first, 3)
    queue.follow(story.ledger)
    assert list(queue.next(Order.OLDEST)) == [second]


def test_runs_of_a_canary_can_come_first(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    early, later = story.run(), story.run()
    story.rate(later, 5)
    story.prove(story.train(story.ask()))
    arms = {story.run(session=f"s{number}"): number for number in range(40)}
    queue = queue_of(story)
    drawn = [story.ledger.history(run)[0].event.arm for run in queue.next(Order.CANARY)]  # type: ignore[attr-defined]
    canaries = drawn.count("canary")
    assert canaries and drawn == ["canary"] * canaries + ["stable"] * (len(arms) + 1 - canaries)
    assert next(iter(queue.next(Order.OLDEST))) == early


def test_the_sample_takes_the_kind_with_the_smallest_share_of_ratings(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    many = [story.run(task="click-button") for _ in range(8)]
    few = [story.run(task="click-link") for _ in range(2)]
    failed = story.run(task="click-button", succeeds=False)
    for run in many[:4]:
        story.rate(run, 5)
    queue = queue_of(story)
    sample = list(queue.next(Order.SAMPLE))
    assert set(sample[:3]) == {*few, failed} and set(sample[3:]) == set(many[4:])
    story.rate(few[0], 5)
    story.rate(few[1], 5)
    queue.follow(story.ledger)
    assert next(iter(queue.next(Order.SAMPLE))) == failed


def test_the_sample_is_the_same_in_every_process(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    for _ in range(20):
        story.run()
    assert list(queue_of(story).next(Order.SAMPLE)) == list(queue_of(story).next(Order.SAMPLE)) != story.runs


def test_a_claim_holds_until_it_is_released_or_too_old(tmp_path: Path) -> None:
    clock = Standing()
    story = Story(tmp_path / "events.db", clock)
    first, second = story.run(), story.run()
    other = Ledger.open(story.path, clock)
    assert claim_first(story.ledger, [first, second], "ada") == first
    assert claim_first(other, [first, second], "bob") == second
    assert claim_first(other, [first, second], "cem") is None
    assert claim_first(story.ledger, [first], "ada") == first  # her own
    release(story.ledger, first, "bob")
    assert holder_of(other, first) == "ada"
    release(story.ledger, first, "ada")
    assert holder_of(other, first) is None and claim_first(other, [first], "cem") == first
    clock.move(seconds=(VALID + timedelta(seconds=1)).total_seconds())
    assert holder_of(other, second) is None and claim_first(other, [second], "cem") == second
    other.close()


def test_claims_change_nothing_that_is_verified_or_exported(tmp_path: Path) -> None:
    from command_line import output

    story = Story(tmp_path / "events.db")
    run = story.run()
    before = output("log", "export", "-", db=story.path)
    claim_first(story.ledger, [run], "ada")
    assert output("log", "export", "-", db=story.path) == before
    output("verify", db=story.path)
    output("replay", db=story.path)
