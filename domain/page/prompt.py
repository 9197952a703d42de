"""How a page becomes a prompt: the one function that serving, the dataset and pretraining all use.

Training and serving prompts that differ by a token are a silent fault, so nothing else in the project renders a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

from .messages import Message, Page

INSTRUCTIONS = (
    "You operate a web page. You are shown the task, the page as one numbered line per element, and what you did so far. "
    "Answer with exactly one action and nothing else. Actions: CLICK followed by the element's whole line including its "
    "number, as in CLICKbutton:Ok[6]; TYPE followed by the element's line and then the text, as in "
    "TYPEinput.text#name[3]Bob; SELECT followed by an option's line; DONE when the task is finished."
)

HISTORY = 6
"""How many of the latest actions are shown; chosen: the longest base task needs five."""
LONGEST_ACTION = 300
"""Characters of a past action that are shown, so that an answer which ran on does not crowd the page out; chosen."""


def observe(page: Page, history: Sequence[str]) -> list[Message]:
    """The messages that ask for the next action.

    The task stands before the page, so that every line can be read in its light, and again at the end, next to the
    answer. The embedded model's chat template leaves the system message out.
    """
    if page.is_question:
        return [{"role": "user", "content": page.task}]
    lines = [f"task: {page.task}", *page.lines, *(f"did: {action[:LONGEST_ACTION]}" for action in history[-HISTORY:])]
    if page.error:
        lines.append(f"error: {page.error}")
    lines.append(f"task: {page.task}\ndo: ")
    return [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": "\n".join(lines)}]
