"""The tokens of a run, as people and programs are shown them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ....domain.aggregates.run import TaskRun


def token_counts(run: TaskRun) -> dict[str, int | None]:
    """Tokens of all prompts and of all answers as JSON has them, None where they are unknown."""
    prompt, answer = run.tokens or (None, None)
    return {"prompt_tokens": prompt, "completion_tokens": answer}
