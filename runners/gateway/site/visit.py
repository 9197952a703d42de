"""A visit of a page: who asks for what, and what the page answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....domain.errors import GrokputerError
from ....domain.vocabulary import Scope
from ..chat_request import BadRequest

if TYPE_CHECKING:
    from markupsafe import Markup

    from ...store.ledger import Ledger


@dataclass(frozen=True)
class Visitor:
    """Who asks."""

    name: str
    """The name that is recorded with what the visitor decides."""
    key: str
    """The id of the access key."""
    scopes: frozenset[str]
    is_program: bool = False
    """Whether the request carries the key itself, so that no cookie speaks for the visitor."""
    form_token: str = ""
    """What each form of the page that is shown sends back; every page has a new one."""


FORMATS = ("html", "json")
"""The values of ``format`` in a page's address."""
LONGEST_REASON = 20_000
"""Characters of a reason; chosen: some pages of text, and a page that shows ten of them stays small."""


@dataclass(frozen=True)
class Form:
    """Values that were sent: of the address's query, or of a form."""

    values: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """The value of the name without spaces around it; empty where none was sent."""
        sent = self.values.get(name)
        return sent[-1].strip() if sent else ""

    def several(self, name: str) -> list[str]:
        """All values of the name."""
        return list(self.values.get(name, ()))

    def flag(self, name: str) -> bool:
        """Whether a box was ticked, or the name was sent with any value but ``0`` and ``no``."""
        return self.one(name) not in ("", "0", "no")

    def words(self, name: str) -> str:
        """The text of the name, in lines; empty where none was sent. Raises ``BadRequest`` for a longer one than is kept."""
        given = self.one(name).replace("\r\n", "\n")
        if len(given) > LONGEST_REASON:
            raise BadRequest(f"the {name} has {len(given)} characters; it takes {LONGEST_REASON}", name)
        return given

    def reason(self, what: str) -> str:
        """The reason, without which ``what`` is not done. Raises ``BadRequest``."""
        given = self.words("reason")
        if not given:
            raise BadRequest(f"{what} needs its reason", "reason")
        return given

    def number(self, name: str, least: int, most: int) -> int | None:
        """The whole number; None where none was sent. Raises ``BadRequest``."""
        text = self.one(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
            raise BadRequest(f"{name} cannot be {text[:40]!r}; it takes a whole number from {least} to {most}", name)
        return int(text)


@dataclass(frozen=True)
class Visit:
    """One request for a page, in a thread that may wait for the log."""

    ledger: Ledger
    visitor: Visitor
    path: str
    names: Mapping[str, str]
    """The parts of the address that name something."""
    query: Form
    form: Form
    form_id: str | None = None
    """The id of the form: one form is saved once, however often it is sent. A program gives its own, or none."""

    def name(self, part: str) -> str:
        """The part of the address."""
        return self.names[part]

    def may(self, scope: Scope) -> bool:
        """Whether the visitor's key allows it."""
        return scope in self.visitor.scopes


@dataclass(frozen=True)
class View:
    """What a page shows. ``data`` is JSON-plain: it is the whole page for programs, and fills the template for people."""

    template: str
    title: str
    data: dict[str, Any]
    drawings: Mapping[str, Markup] = field(default_factory=dict)
    """Pictures of the same data, for people alone."""
    status: int = 200


@dataclass(frozen=True)
class Done:
    """Something was recorded: where the visitor goes next, and what is said there."""

    to: str
    """The path of a page, with its query."""
    message: str
    undo: str = ""
    """The path of a form that takes it back; empty where nothing does."""
    data: dict[str, Any] = field(default_factory=dict)
    """What a program is told."""
    failed: GrokputerError | None = None
    """Why a part of what was sent is not recorded; a program is told it as an error."""
    form: View | None = None
    """Where a part failed, the form with what was typed, which a person sees in place of the next page."""


@dataclass(frozen=True)
class File:
    """A file that is no page: a picture or a sound."""

    body: bytes
    kind: str
    """Its type, as in ``image/png``."""


Handler = Callable[[Visit], View | Done | File]
"""A page: it reads the log or records something in it. Raises ``GrokputerError``."""


@dataclass(frozen=True)
class Page:
    """A page at an address."""

    handler: Handler
    scopes: tuple[Scope, ...] = (Scope.RATE, Scope.ADMIN)
    """One of them is needed."""
    query: tuple[str, ...] = ()
    """The names that its query takes, beside ``format``."""
    threads: int = 0
    """Threads of its own, for a page that may take long: while it works, other pages are answered. Else it shares theirs."""
    fields: tuple[str, ...] = ()
    """The names that its form takes, beside the token."""

    def check(self, query: Form, form: Form) -> None:
        """Raise ``BadRequest`` for a name that is not read, so that no condition and no word is lost without notice, and for
        a format that no page has."""
        _check_names(query, (*self.query, "format"), "part of this page's query")
        _check_names(form, (*self.fields, "token"), "field of this form")
        if (wanted := query.one("format")) not in ("", *FORMATS):
            raise BadRequest(f"a page has no format {wanted[:40]!r}; it has {' and '.join(FORMATS)}", "format")


def _check_names(given: Form, known: tuple[str, ...], what: str) -> None:
    for name in given.values:
        if name not in known:
            raise BadRequest(f"{name[:40]!r} is no {what}; it takes {', '.join(sorted(known))}", name[:40])
