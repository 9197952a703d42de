"""The options of ``grokputer run``, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .....domain.aggregates.run import LARGEST_SEED
from ...completion import offer_arms, offer_tasks
from ...options import Role

Task = Annotated[
    str | None,
    typer.Argument(
        metavar="[TASK]",
        help="A task that 'grokputer tasks' lists, or a question in quotes; '-' is '--from -'.",
        autocompletion=offer_tasks,
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help='Run the tasks of this file, one a line: words, or an object as {"task": ..., "seed": 7} that may also have '
        "env, session, role, adapter, url, image and audio; '-' reads stdin. The model is loaded once.",
    ),
]
Env = Annotated[
    str | None,
    typer.Option(
        help="Where: miniwob, shell, web, desktop, chat, a plug-in or a folder of tasks; default: chat for words with a "
        "space in them, browse where --url is given, else the one that has the task."
    ),
]
Seed = Annotated[
    int | None, typer.Option(min=0, max=LARGEST_SEED, help="The page's seed; default: a random one, printed.")
]
Pinned = Annotated[
    str | None, typer.Option(help="Pin the run to this adapter, or to 'base'.", autocompletion=offer_arms)
]
AsOf = Annotated[str | None, typer.Option(metavar="POSITION|TIME", help="Run with the adapter and settings live then.")]
Session = Annotated[
    str | None,
    typer.Option(help="Runs of one session stay on one arm, and a question is asked with the session's earlier turns."),
]
RunRole = Annotated[Role, typer.Option(help="The role whose adapter and settings are used.")]
Url = Annotated[
    str | None,
    typer.Option(help="The page of the web that a task in words is done on. The browser reaches its host alone."),
]
AllowDomain = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST",
        help="Beside the URL's host the browser may reach this one, with its subdomains; repeatable.",
    ),
]
Headed = Annotated[bool, typer.Option("--headed", help="Show the window of the browser.")]
Images = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="A picture that comes with the task (PNG, JPEG, GIF, WebP); repeatable."),
]
Sounds = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="A sound that comes with the task (WAV, MP3, FLAC, Ogg); repeatable."),
]
Times = Annotated[int, typer.Option(min=1, help="Number of runs, each with the next seed.")]
Display = Annotated[
    str | None,
    typer.Option(
        metavar="DISPLAY",
        help="Let the agent work on this display of yours, as :0, in place of a private one; asks before it begins.",
    ),
]
NoFeedback = Annotated[bool, typer.Option("--no-feedback", help="Do not ask for a rating.")]
Reviewer = Annotated[
    bool, typer.Option("--reviewer", help="Let the reviewer rate from the reward, and correct by demonstration.")
]
