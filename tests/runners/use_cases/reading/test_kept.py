"""Results that are kept: made once for all who ask at a time, and only for the moments asked for last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest

from grokputer.runners.use_cases.reading.kept import Kept, moment_of
from story import Story


def test_threads_that_ask_for_one_key_at_a_time_get_one_result() -> None:
    kept, numbers, together = Kept[int](2), count(), Barrier(4)

    def ask(_: int) -> int:
        together.wait()
        return kept.get("a", lambda: next(numbers))

    with ThreadPoolExecutor(4) as threads:
        assert [*threads.map(ask, range(4))] == [0] * 4
    assert next(numbers) == 1


def test_only_the_newest_used_results_are_kept() -> None:
    kept, numbers = Kept[int](2), count()
    assert [kept.get(key, lambda: next(numbers)) for key in "abacab"] == [0, 1, 0, 2, 0, 3]


def test_what_fails_is_tried_again() -> None:
    kept = Kept[float](1)
    for divisor in (0, 0):
        with pytest.raises(ZeroDivisionError):
            kept.get("a", lambda: 1 / divisor)  # noqa: B023
    assert kept.get("a", lambda: 0.5) == kept.get("a", lambda: 0.7) == 0.5


def test_another_moment_and_another_log_have_other_names(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    first = moment_of(story.ledger)
    assert moment_of(story.ledger) == first
    story.run()
    assert moment_of(story.ledger) != first
    story.ledger.close()
