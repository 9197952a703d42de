"""The options of ``grokputer rate`` and ``grokputer correct``, with their help."""

from __future__ import annotations

from typing import Annotated

import typer

from .....domain.rules.rating import ISSUES
from ...completion import offer_runs
from ...options import Role

RatedRun = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN", help="The run's id or its beginning, of four characters or more.", autocompletion=offer_runs
    ),
]
Stars = Annotated[
    str | None,
    typer.Argument(metavar="[STARS]", help="A whole number from 1 (bad) to 5 (good); asked for at a terminal."),
]
WholeSession = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Rate every run of this session that you have not rated, in place of RUN."),
]
Comment = Annotated[str | None, typer.Option(help="In your own words.")]
Issues = Annotated[
    list[str] | None, typer.Option(help=f"What went wrong: {', '.join(ISSUES)} or own words; may be repeated.")
]
WrongStep = Annotated[int | None, typer.Option(help="The step that went wrong; its role is at fault.")]
RoleAtFault = Annotated[Role | None, typer.Option(help="The role at fault, if no single step is.")]

AnswerText = Annotated[
    str | None,
    typer.Option(
        help="The right answer to a question. With --step: the right lines of a step that read the screen, one a line."
    ),
]
Calls = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help="The right calls of functions, beside or in place of --answer: name and arguments each.",
    ),
]
ActionList = Annotated[
    list[str] | None, typer.Option(help="One action of those that do the task; give them in their order.")
]
PlanText = Annotated[
    str | None,
    typer.Option(
        metavar="GOALS",
        help=r"The right plan of a long task, one goal a line (or with \n between them), each with => and what the page "
        "then shows; it is tried by the run's own roles, or with the actions given.",
    ),
]
Demonstrate = Annotated[bool, typer.Option("--demonstrate", help="Correct it by the scripted demonstration.")]
Retry = Annotated[
    int,
    typer.Option(min=0, help="Try again with sampling, at most this many times; a success becomes the correction."),
]
Withdraw = Annotated[
    bool, typer.Option("--withdraw", help="Take back the latest correction: no later dataset uses it.")
]
FirstStep = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Keep the run's steps before this one; with --answer, --calls or --plan: the step whose answer it is.",
    ),
]
Reason = Annotated[str, typer.Option(help="With --withdraw: why; it is recorded.")]
