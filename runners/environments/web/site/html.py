"""The pages of the site as HTML: every value is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape as escape
from urllib.parse import quote

STYLE = "body{font:15px sans-serif;margin:16px}nav a{margin-right:16px}li{margin:6px 0}label{margin-right:12px}"


def page(title: str, links: Iterable[tuple[str, str]], body: str) -> str:
    """A whole page, with links to the others."""
    bar = " ".join(link(url, text) for url, text in links)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
        f"<nav>{bar}</nav><h1>{escape(title)}</h1>{body}"
    )


def link(url: str, text: str) -> str:
    """A link."""
    return f'<a href="{escape(url)}">{escape(text)}</a>'


def form(url: str, body: str, button: str, method: str = "post") -> str:
    """A form with one button."""
    return f'<form action="{escape(url)}" method="{method}">{body} <button>{escape(button)}</button></form>'


def text_field(label: str, name: str, value: str = "", kind: str = "text") -> str:
    """A field with its label."""
    field = f'<input id="{name}" name="{name}" type="{kind}" value="{escape(value)}">'
    return f'<p><label for="{name}">{escape(label)}</label> {field}</p>'


def hidden(name: str, value: str) -> str:
    """A value that the form sends along."""
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def choice(label: str, name: str, options: Iterable[str], chosen: str = "") -> str:
    """A list to choose from."""
    rows = "".join(f"<option{' selected' if option == chosen else ''}>{escape(option)}</option>" for option in options)
    return f'<p><label for="{name}">{escape(label)}</label> <select id="{name}" name="{name}">{rows}</select></p>'


def rows(lines: Iterable[str]) -> str:
    """A list; its lines are HTML already."""
    return "<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def paragraph(text: str) -> str:
    """A paragraph."""
    return f"<p>{escape(text)}</p>"


def part(text: str) -> str:
    """Text as a part of a URL."""
    return quote(text, safe="")
