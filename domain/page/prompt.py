"""How a page becomes a prompt: the one function for serving, the dataset and pretraining.

A difference of one token between training prompts and serving prompts would be a silent fault. So no other code renders
prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from .action import BROWSER_VERBS, COMMAND_VERBS, DESKTOP_VERBS, VERBS
from .media import Media, add_marks, without_marks
from .messages import Message, Page

INSTRUCTIONS = (
    "You operate a web page. You are shown the task, the page as one numbered line per element, and what you did so far. "
    "Answer with exactly one action and nothing else. Actions: CLICK followed by the element's whole line including its "
    "number, as in CLICKbutton:Ok[6]; TYPE followed by the element's line and then the text, as in "
    "TYPEinput.text#name[3]Bob; SELECT followed by an option's line; DONE when the task is finished."
)

COMMAND_INSTRUCTIONS = (
    "You work in a shell, in a folder of your own. You are shown the task, then line by line how the last command ended, what "
    "it printed and what is in the folder, and what you did so far. Answer with exactly one action and nothing else. Actions: "
    "RUN followed by one command line of bash, as in RUN wc -l < notes.txt; DONE when the task is finished."
)
"""The same where the page takes commands."""

_ELEMENT_FORMS = (
    "Answer with exactly one action and nothing else. Actions: CLICK, DOUBLE or RIGHT followed by the element's whole line "
    "including its number, as in CLICKbutton:Ok[6]; TYPE followed by the element's line and then the text, as in "
    "TYPEentry:Name[3]Bob; SELECT followed by an option's line; DRAG followed by two lines, as in "
    "DRAGlist-item:a.txt[4]list-item:docs[7]; KEY followed by keys, as in KEY ctrl+s; SCROLL followed by a line and up or "
    "down, as in SCROLLlist:Results[9]down; "
)

BROWSER_INSTRUCTIONS = (
    "You operate a web browser. You are shown the task, the page as one numbered line per element, and what you did so far. "
    f"{_ELEMENT_FORMS}WAIT; DONE when the task is finished."
)
"""The same where the page is any page of the web."""

DESKTOP_INSTRUCTIONS = (
    "You operate a computer. You are shown the task, the screen as one numbered line per element, and what you did so far. "
    f"{_ELEMENT_FORMS}RUN followed by a program's name, which starts it; WAIT; DONE when the task is finished."
)
"""The same where the page is a screen."""

_INSTRUCTIONS = {
    VERBS: INSTRUCTIONS,
    COMMAND_VERBS: COMMAND_INSTRUCTIONS,
    BROWSER_VERBS: BROWSER_INSTRUCTIONS,
    DESKTOP_VERBS: DESKTOP_INSTRUCTIONS,
}

HISTORY = 6
"""Number of the latest actions in a prompt; chosen: the longest base task needs five."""
LONGEST_ACTION = 300
"""Most characters of a past action in a prompt, so that an overlong answer does not displace the page; chosen."""


def observe(
    page: Page, history: Sequence[str], before: Sequence[Message] = (), inputs: Media = MappingProxyType({})
) -> list[Message]:
    """The messages that ask for the next action; ``before`` are the role's instructions and the turns so far.

    The task stands before the page, as context for every line, and again at the end, next to the answer. Instructions
    stand before the program's own in one system message, because many templates take only one. The embedded model's chat
    template omits the system message.

    ``inputs`` are the pictures and sounds that came with the task: their marks stand after its words. Nothing else of the
    page or the task is a mark.
    """
    if page.is_question:
        return [*before, {"role": "user", "content": add_marks(without_marks(page.task), inputs)}]
    task = add_marks(f"task: {without_marks(page.task)}", inputs)
    lines = [*page.lines, *(f"did: {action[:LONGEST_ACTION]}" for action in history[-HISTORY:])]
    if page.error:
        lines.append(f"error: {page.error}")
    lines.append(f"task: {page.task}\ndo: ")
    rest = without_marks("\n".join(lines))
    own = _INSTRUCTIONS[page.verbs]
    instructions = [message["content"] for message in before if message["role"] == "system"]
    return [
        {"role": "system", "content": "\n\n".join([*instructions, own])},
        {"role": "user", "content": f"{task}\n{rest}"},
    ]
