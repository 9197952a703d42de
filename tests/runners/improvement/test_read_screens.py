"""The gate of role ``ocr``: both arms read held-out screens, and the lines of the tree say how many lines are right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from panes import TREE, WORDS

from grokputer.adapters.data.examples import Example
from grokputer.adapters.data.held_out import HeldOut
from grokputer.domain.page.messages import Completion, Message
from grokputer.domain.page.reading import read_words, write_lines_prompt
from grokputer.domain.ports import Model
from grokputer.domain.rules.gate import HeldOutResult, Lines, judge_held_out
from grokputer.domain.settings.settings import Policy
from grokputer.runners.improvement.gate import sum_up
from grokputer.runners.improvement.read_screens import read_screens

SCREEN = Example(
    tuple(write_lines_prompt("Save", WORDS)), "\n".join(TREE), "reviewer", "ocr", "r", 0, instance="pane/save#1"
)
HELD = HeldOut("r", "pane", "save", 1, "failed", (SCREEN,), "pane/save#1")


class Reads(Model):
    """Answers each prompt by the name of the adapter."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers

    def complete(self, messages: Sequence[Message], *, adapter: str | None = None, **_: Any) -> Completion:
        assert adapter is not None
        return Completion(self.answers[adapter], 1, 1, 1)


def test_the_words_of_a_prompt_are_read_back_as_they_were_written() -> None:
    assert [(word.text, word.box) for word in read_words(SCREEN.messages)] == [(word.text, word.box) for word in WORDS]


@pytest.mark.parametrize(
    ("answer", "share"),
    [("\n".join(TREE), 1.0), ("button:Quit[1]", 1 / 3), ("link:Quit[1]", 1 / 6), ("I see a draft.", 0.5)],
)
def test_an_arm_is_compared_by_lines_and_one_that_gives_none_reads_as_the_program_does(
    answer: str, share: float
) -> None:
    [row] = read_screens(Reads(new=answer), "new", None, [HELD], lambda name: None)
    assert row["adapter"] == pytest.approx(share) and row["parent"] == 0.5  # all texts, and no kind
    assert sum_up([row], "failed").lines == Lines(1, row["adapter"], 0.5)


@pytest.mark.parametrize(
    ("failed", "worked", "verdict", "reason"),
    [
        (Lines(12, 0.8, 0.1), Lines(), "pass", "better"),
        (Lines(12, 0.1, 0.1), Lines(), "reject", "no gain"),
        (Lines(12, 0.9, 0.5), Lines(12, 0.79, 0.9), "reject", "lost"),
        (Lines(9, 0.1, 0.9), Lines(), "pass", "too few"),
    ],
)
def test_the_verdict_follows_from_the_shares(failed: Lines, worked: Lines, verdict: str, reason: str) -> None:
    judged = judge_held_out(HeldOutResult(lines=failed), HeldOutResult(lines=worked), Policy(), "ocr")
    assert (judged.verdict, judged.reason) == (verdict, reason)
    assert judged.message.startswith(f"{failed.adapter:.0%} of the lines of {failed.instances} held-out screens")
