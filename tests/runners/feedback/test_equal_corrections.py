"""The same correction that is given twice, also at a time, is recorded once."""

from __future__ import annotations

from pathlib import Path

from grokputer.domain.aggregates.run import TaskRun
from grokputer.runners.feedback.corrections import correct_by_hand
from story import Story


def test_the_same_answer_from_two_who_both_saw_no_correction_is_recorded_once(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    before = story.ledger.get(TaskRun, story.run(succeeds=None))
    for answer in ("Ankara", "Ankara", "Istanbul"):
        after = correct_by_hand(story.ledger, before, None, [answer], "ada")
    assert len(after.corrections) == 2
    story.ledger.close()
