"""How a page becomes a prompt: the one function for serving, the dataset and pretraining.

A difference of one token between training prompts and serving prompts would be a silent fault. So no other code renders
prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .action import BROWSER_VERBS, COMMAND_VERBS, DESKTOP_VERBS, VERBS
from .media import add_marks, without_marks
from .messages import Message, Page
from .plan import Goal
from .reading import LINES_INSTRUCTIONS

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

PLAN_INSTRUCTIONS = (
    "You plan a task for somebody who carries it out step by step. You are shown the task, and the page as one numbered "
    "line per element. Answer with the goals that lead to it, at most eight, in their order, one a line and nothing else. "
    "Each goal says all that is needed for it, because it is carried out without the rest of the task. After a goal write "
    "=> and what will be seen once it is reached: a part of a page line without its number, as in save it as letter.txt => "
    "window:letter.txt; or no and what will be gone, as in delete notes.txt => no file:notes.txt. Leave => out where the "
    "page will not show it."
)

CHECK_INSTRUCTIONS = (
    "You check whether a goal is reached. You are shown the task, the page as one numbered line per element, what was done for "
    "the goal, and the goal after 'now:'. Answer yes or no and nothing else."
)

OWN_INSTRUCTIONS = (
    *_INSTRUCTIONS.values(),
    *(PLAN_INSTRUCTIONS, CHECK_INSTRUCTIONS, LINES_INSTRUCTIONS),
)
"""The program's own instructions, which are the same in every run."""

ACT, PLAN = "do: ", "plan: "
ENDINGS = (ACT, PLAN, "reached: ")
"""The last lines of prompts with a page: they ask for an action, a plan or a check."""

HISTORY = 6
"""Number of the latest actions in a prompt; chosen: the longest base task needs five."""
LONGEST_ACTION = 300
"""Most characters of a past action in a prompt, so that an overlong answer does not displace the page; chosen."""


def observe(page: Page, history: Sequence[str], before: Sequence[Message] = (), now: str = "") -> list[Message]:
    """The messages that ask for the next action; ``before`` are the role's instructions and the turns so far.

    The task stands before the page, as context for every line, and again at the end, next to the answer. Where the run has a
    plan, the goal ``now`` stands in its place, and ``history`` has the actions for this goal: so a part of a long task is
    asked for word by word as a short task is, and what was learnt from one serves the other. Instructions stand before the
    program's own in one system message, because many templates take only one. The embedded model's chat template omits the
    system message.

    The marks of the page's inputs stand after the words of the task. Nothing else of a page is a mark (``media.py``). A
    question has no page, but may have the lines that were read on its pictures.
    """
    if page.is_question:
        return [*before, {"role": "user", "content": "\n".join([_task(page), *map(without_marks, page.lines)])}]
    page = replace(page, task=now) if now else page
    return _ask(_lines(page, history), f"task: {page.task}\ndo: ", _INSTRUCTIONS[page.verbs], before)


def ask_for_plan(page: Page, reached: Sequence[Goal] = (), before: Sequence[Message] = ()) -> list[Message]:
    """The messages that ask for a plan from this page on; ``reached`` are the goals of earlier plans that were reached."""
    lines = [_task(page, "task: "), *page.lines, *(f"reached: {goal.words}" for goal in reached[-HISTORY:])]
    return _ask(lines, f"task: {page.task}\nplan: ", PLAN_INSTRUCTIONS, before)


def ask_for_check(page: Page, history: Sequence[str], goal: str, before: Sequence[Message] = ()) -> list[Message]:
    """The messages that ask whether the goal is reached; ``history`` has the actions for it."""
    return _ask(_lines(page, history), f"now: {goal}\nreached: ", CHECK_INSTRUCTIONS, before)


def unmarked(messages: Iterable[Message]) -> list[Message]:
    """The messages, with texts from outside alone: nothing in them is the mark of a picture."""
    return [{**message, "content": without_marks(message["content"])} for message in messages]


def _lines(page: Page, history: Sequence[str]) -> list[str]:
    """The task, the page, the latest actions, and why the last one failed."""
    lines = [_task(page, "task: "), *page.lines, *(f"did: {action[:LONGEST_ACTION]}" for action in history[-HISTORY:])]
    return [*lines, f"error: {page.error}"] if page.error else lines


def _task(page: Page, title: str = "") -> str:
    """The words of the task, and the marks of what came with them."""
    return add_marks(without_marks(f"{title}{page.task}"), page.inputs)


def _ask(lines: Sequence[str], ending: str, own: str, before: Sequence[Message]) -> list[Message]:
    instructions = [message["content"] for message in before if message["role"] == "system"]
    task, rest = lines[0], without_marks("\n".join([*lines[1:], ending]))
    return [
        {"role": "system", "content": "\n\n".join([*instructions, own])},
        {"role": "user", "content": f"{task}\n{rest}"},
    ]
