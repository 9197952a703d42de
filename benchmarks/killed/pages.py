"""The tasks of the load: pages of four buttons, and the one right action on each.

A quarter of the tasks name their button, which the embedded base can do. The others say in other words what is wanted, and
only feedback tells which button is meant.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from grokputer.domain.page.messages import Message, Page
from grokputer.domain.page.prompt import observe

BUTTONS = ("Archive", "Accept", "Delete", "Reply", "Later", "Forward", "Print", "Help")
NAMES = (
    *("Ana", "Ben", "Cleo", "Dora", "Emil", "Finn", "Gita", "Hugo", "Ida", "Jan", "Kim", "Lea", "Max", "Nora", "Olaf"),
    *("Pia", "Quin", "Rosa", "Sam", "Tom", "Uma", "Vera", "Will", "Xenia", "Yuri", "Zoe"),
)
MEANT = {
    "Put the letter from {name} number {number} away.": "Archive",
    "Tell {name} number {number} yes.": "Accept",
    "Get rid of the note by {name} number {number}.": "Delete",
    "Write back to {name} number {number}.": "Reply",
}
"""The tasks that the base does not know, each with its button."""
KNOWN = 'Click on the "{button}" button.'
SHARE_KNOWN = 0.25
MOST_NUMBERS = 90


@dataclass(frozen=True)
class Question:
    """What a program asks, and the action that is right."""

    messages: list[Message]
    right: str


def draw(chance: random.Random) -> Question:
    """A question, always the same for the same state of ``chance``."""
    if chance.random() < SHARE_KNOWN:
        button = chance.choice(BUTTONS)
        task = KNOWN.format(button=button)
    else:
        words, button = chance.choice(list(MEANT.items()))
        task = words.format(name=chance.choice(NAMES), number=chance.randint(10, MOST_NUMBERS))
    shown = [button, *chance.sample([each for each in BUTTONS if each != button], 3)]
    chance.shuffle(shown)
    lines = tuple(f"button:{name}[{number}]" for number, name in enumerate(shown, 1))
    return Question(observe(Page(task, lines), []), f"CLICK{lines[shown.index(button)]}")
