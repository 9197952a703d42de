"""Dialogs that are filled in and answered."""

from __future__ import annotations

from ....shell.draw import Draw
from ..family import Group
from ..instance import Made, Program, printed
from ..steps import click, fill

GROUP = Group()

ANSWER = "answer"


def dialog(*arguments: str) -> Program:
    """A dialog whose answer is kept."""
    return Program(("zenity", *arguments), ANSWER)


@GROUP.family(
    "Fill in the form: name {name}, mail {mail}. Press OK.",
    "Enter {name} and the mail address {mail} into the form and confirm it.",
    "The contact is called {name} and has the address {mail}; fill the form in and press OK.",
    "Put {name} under Name and {mail} under Mail, then OK.",
)
def fill_form(draw: Draw) -> Made:
    """Fill two fields of a form."""
    name, mail = draw.person(), f"{draw.word()}@example.org"
    program = dialog(
        *("--forms", "--title=Contact", "--text=New contact", "--add-entry=Name", "--add-entry=Mail", "--separator=|")
    )
    solution = [fill(name, "entry", "Name"), fill(mail, "entry", "Mail"), click("button", "OK")]
    return Made({"name": name, "mail": mail}, [program], printed(ANSWER, f"{name}|{mail}"), solution)
