"""Pages as HTML: templates that escape everything they insert, and styles that a strict policy allows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound
from markupsafe import Markup

from ....domain.vocabulary import Scope
from ....projections.wording.escaping import escape_text
from ....projections.wording.sentences import count, short_id, short_text
from .visit import View, Visitor

STYLE = re.compile(r' style="([^"]*)"')
LONGEST = 50_000
"""Characters of one text that a page shows; chosen: more than a prompt has, and a page stays quick to make and to load."""
KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
"""The content types of the files that pages load."""
MENU = (
    ("/", "Home"), ("/rate", "Rate"), ("/runs", "Runs"), ("/failures", "Failures"), ("/rollouts", "Rollouts"),
    ("/adapters", "Adapters"), ("/trainings", "Trainings"), ("/alerts", "Alerts"), ("/settings", "Settings"), ("/log", "Log"),
)  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """What stands around the content of a page."""

    path: str
    nonce: str
    """Marks the page's one style element, so that the policy allows it."""
    visitor: Visitor | None = None
    position: int = 0
    """The log position that the page shows."""
    said: Mapping[str, Any] | None = None
    """What was just recorded."""


def render(view: View, frame: Frame) -> str:
    """The page as HTML."""
    drawings, style = lift_styles(view.drawings)
    scopes: frozenset[str] = frozenset() if frame.visitor is None else frame.visitor.scopes
    return _environment().get_template(f"{view.template}.html").render(
        **view.data,
        **drawings,
        title=view.title,
        visitor=frame.visitor,
        path=frame.path,
        said=frame.said,
        shown_position=frame.position,
        menu=MENU,
        nonce=frame.nonce,
        style=Markup(style),
        may_decide=Scope.ADMIN in scopes,
        may_rate=Scope.RATE in scopes,
    )  # fmt: skip


def lift_styles(drawings: Mapping[str, Markup]) -> tuple[dict[str, Markup], str]:
    """The drawings with classes in place of style attributes, which the pages' policy forbids, and the rules of these."""
    names: dict[str, str] = {}

    def lift(found: re.Match[str]) -> str:
        return f' data-s="{names.setdefault(found[1], f"s{len(names)}")}"'

    lifted = {name: Markup(STYLE.sub(lift, drawing)) for name, drawing in drawings.items()}
    return lifted, "".join(f'[data-s="{name}"]{{{rules}}}' for rules, name in names.items())


@cache
def static_file(name: str) -> tuple[bytes, str] | None:
    """The bytes and the content type of a file that pages load; None where there is none of that name."""
    kind = KINDS.get(name.rpartition(".")[2])
    file = files(__package__) / "static" / name
    if kind is None or not re.fullmatch(r"[a-z]+\.[a-z]+", name) or not file.is_file():
        return None
    return file.read_bytes(), kind


@cache
def address_of(name: str) -> str:
    """The address of such a file, which changes with its content."""
    found = static_file(name)
    assert found is not None, name
    return f"/static/{name}?v={sha256(found[0]).hexdigest()[:12]}"


class _Templates(BaseLoader):
    """The templates of this room."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, None]:
        file = files(__package__) / "templates" / template
        if not file.is_file():
            raise TemplateNotFound(template)
        return file.read_text(encoding="utf-8"), None, None


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=_Templates(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_visible,
    )  # fmt: skip
    environment.filters |= {
        "short": short_id,
        "cut": short_text,
        "text": _text,
        "percent": _percent,
        "mean": _mean,
        "moment": _moment,
        "ago": _time,
        "stars": _stars,
        "words": lambda word: str(word).replace("_", " "),
        "count": lambda number, noun: count(number, noun),
        "pretty": lambda value: json.dumps(value, ensure_ascii=False, indent=2, default=str),
        "took": _took,
    }
    environment.globals |= {"static": address_of}
    return environment


def _visible(value: Any) -> Any:
    """Text with characters that hide or reorder others shown as escapes; None as a dash."""
    if value is None:
        return "-"
    return escape_text(value) if type(value) is str else value


def _text(value: str | None) -> Markup | str:
    """Words of several lines as they are, for an element that keeps lines; other controls are shown as escapes."""
    if value is None:
        return Markup('<i class="quiet">(erased)</i>')
    left = len(value) - LONGEST
    lines = [escape_text(line.expandtabs(4)) for line in value[:LONGEST].replace("\r\n", "\n").split("\n")]
    cut = Markup('\n<i class="quiet">({} characters more; <a href="?format=json">the JSON</a> has all)</i>').format(
        left
    )
    return Markup("\n").join(lines) + (cut if left > 0 else "")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _mean(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _moment(value: str | datetime | None) -> str:
    """The time to the second, UTC."""
    if value is None:
        return "-"
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _time(value: str | datetime | None) -> Markup:
    """The time as an element, which a script may show in words."""
    if value is None:
        return Markup("-")
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return Markup('<time datetime="{}">{} UTC</time>').format(time.astimezone(UTC).isoformat(), _moment(time))


def _stars(value: int | None) -> Markup:
    if value is None:
        return Markup('<span class="quiet">unrated</span>')
    return Markup(
        '<span class="given" role="img" aria-label="{} of 5 stars">{}<span class="rest">{}</span></span>'
    ).format(value, "★" * value, "★" * (5 - value))


def _took(value: int | None) -> str:
    return "-" if value is None else f"{value / 1000:.1f} s"
