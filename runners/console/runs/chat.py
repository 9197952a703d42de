"""A conversation at the terminal: each question is a run of one session, and its answer is shown as it is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ....domain.errors import GrokputerError
from ....domain.page.media import AUDIO, IMAGE, kind_of
from ....domain.rules.roles import GOOD_STARS
from ....projections.wording.sentences import count, short_id
from ..completion import offer_arms
from ..error_lines import describe_error
from ..hints import suggest
from ..history.why import print_explanation
from ..options import DEFAULT_DB, Actor, Db, Role, name_actor, open_ledger
from ..rendering import Streamed, say
from .keyboard import edit, is_typed, read_key, read_text
from .outcomes import Shown, say_lost

if TYPE_CHECKING:
    from ...use_cases.sessions import Conversation

HELP = """\
1 to 5          one key after an answer: rate it; any other key begins the next question
/rate STARS     rate the last answer, 1 (bad) to 5 (good)
/correct        give the right answer, in $VISUAL or $EDITOR, else as the next line
/image FILE     show this picture with the next question; more than one can be given
/audio FILE     play this sound with the next question; an empty line asks with it alone
/adapter NAME   let an adapter answer, or 'base'; 'auto' lets the traffic decide; alone it says what answers
/why            why this answer came from its adapter
/help           this list
/quit           end, as Ctrl-D does
A line that ends with a backslash goes on in the next one. Ctrl-C ends an answer."""


MEDIA = {"/image": IMAGE, "/audio": AUDIO}
"""The commands that add a file to the next question."""


def chat(
    session: Annotated[
        str | None, typer.Option(help="Continue this session, or begin it; default: a new name, printed.")
    ] = None,
    role: Annotated[Role, typer.Option(help="The role whose adapter and settings are used.")] = "action",
    adapter: Annotated[
        str | None, typer.Option(help="Pin the answers to this adapter, or to 'base'.", autocompletion=offer_arms)
    ] = None,
    by: Actor = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Talk with the model: each question is a recorded run, asked with the earlier turns of its session.

    An answer is shown as it is written. One key from 1 to 5 rates it, /correct corrects it, /help lists the rest. Where
    stdin is no terminal, each line is a question or a command.

    \b
    Examples:
      grokputer chat
      grokputer chat --session monday --adapter base
    """
    from ...store.states import load_state
    from ...use_cases.sessions import Conversation
    from ...wiring.services import Services

    ledger, actor = open_ledger(db), name_actor(by)
    with Services(ledger, load_state(ledger), say) as services:
        talk = Conversation(ledger, services, actor=actor, session=session, role=role, adapter=adapter)
        remembered = talk.remembered
        goes_on = f", which goes on after {count(remembered, 'turn')}" if remembered else ""
        say(f"session {talk.session}{goes_on}; /help lists what can be done")
        _Console(talk).talk()
        suggest(f"rate --session {talk.session} 4" if talk.last else "status", db)


class _Console:
    """The conversation as it is typed and printed."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.shown = Shown(conversation.services)
        self.begun = ""
        """The beginning of the next text, where its first key was typed already."""
        self.inputs: list[str] = []
        """The pictures and sounds of the next question."""

    def talk(self) -> None:
        """Read and do one text after another until the person ends."""
        while True:
            try:
                text = read_text(self.begun)
                self.begun = ""
                if text is None or text.strip() == "/quit":
                    return
                self._do(text.strip())
            except GrokputerError as error:
                say(describe_error(error))
            except KeyboardInterrupt:
                say("Ctrl-D or /quit ends")

    def _do(self, text: str) -> None:
        command, _, rest = text.partition(" ")
        if not text.startswith("/"):
            if text or any(kind_of(url) == AUDIO for url in self.inputs):
                self._ask(text)
        elif command in MEDIA:
            self._attach(Path(rest.strip()).expanduser(), MEDIA[command])
        elif command == "/rate":
            self._rate(rest.strip())
        elif command == "/correct":
            self._correct()
        elif command == "/adapter":
            self._pin(rest.strip())
        elif command == "/why":
            print_explanation(self.conversation.ledger, self.conversation.explain())
        elif command == "/help":
            for line in HELP.splitlines():
                say(line)
        else:
            say(
                f"{command} is not known here; /help lists what is. A question that begins with / takes a space before it"
            )

    def _ask(self, question: str) -> None:
        from ...use_cases.runs import TaskProgress

        printed, inputs = Streamed(), self.inputs
        self.inputs = []  # also where the question cannot be asked with them: the next one may be
        progress = TaskProgress(say_lost, self.shown.show_plan, on_text=printed.write)
        try:
            outcome = self.conversation.ask(question, progress, inputs)
        except KeyboardInterrupt:
            printed.end()
            say("interrupted; the run has failed (environment) and counts for no adapter")
            return
        printed.end()
        say(
            f"{short_id(outcome.run.hex)}, {outcome.adapter or 'base'}"
            + (f": {outcome.detail}" if outcome.detail else "")
        )
        if is_typed() and outcome.reason is None:
            self._read_rating()

    def _attach(self, file: Path, kind: str) -> None:
        """Add the file to the next question. Raises ``BadMedia``."""
        from ...agent.inputs import load_media

        self.inputs.append(load_media(file, kind))
        alone = "; an empty line asks with it alone" if kind == AUDIO else ""
        say(f"{file.name} comes with the next question{alone}")

    def _read_rating(self) -> None:
        key = read_key()
        if key in ("1", "2", "3", "4", "5"):
            self._rate(key)
        elif key == "\x04":
            raise SystemExit(0)
        elif key.isprintable() and key != " ":
            self.begun = key

    def _rate(self, stars: str) -> None:
        rated = self.conversation.rate(stars)
        say(f"rated {rated.stars}" + ("" if rated.stars >= GOOD_STARS else "; /correct gives the right answer"))

    def _correct(self) -> None:
        last = self.conversation.last
        before = (last.answer if last is not None else None) or ""
        answer = edit(before) if last is not None else ""
        if answer is None:
            say("the right answer (an empty line records nothing):")
            answer = read_text() or ""
        if last is not None and answer.strip() in ("", before.strip()):
            say("the answer is as it was; nothing was recorded")
            return
        is_new = self.conversation.correct(answer.strip()).is_new
        say("the correction is recorded" if is_new else "this correction was recorded already")

    def _pin(self, name: str) -> None:
        if name:
            self.conversation.pin(None if name == "auto" else name)
        pinned, last = self.conversation.pinned, self.conversation.last
        answered = f"; the last answer is by {last.adapter or 'base'}" if last is not None else ""
        say((f"{pinned} answers" if pinned else "the traffic decides who answers") + answered)
