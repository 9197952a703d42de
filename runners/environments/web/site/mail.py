"""The mail program: folders, mails, answers, and a search."""

from __future__ import annotations

from collections.abc import Mapping

from . import html
from .world import INBOX, SENT, TRASH, Mail, World

HOST = "mail.test"


def show(world: World, path: str, values: Mapping[str, str]) -> str | bytes | None:
    """The page at the path; None where there is none."""
    match path.strip("/").split("/"):
        case [""]:
            return _folder(world, INBOX, values.get("from", ""))
        case ["folder", name] if name in world.folders:
            return _folder(world, name, "")
        case ["mail", id] if (mail := world.mail(id)) is not None:
            return _mail(world, mail)
        case ["write"]:
            return _write(world, "", "")
        case ["reply", id] if (mail := world.mail(id)) is not None:
            return _write(world, mail.sender, f"Re: {mail.subject}")
    return None


def take(world: World, path: str, values: Mapping[str, str]) -> str | None:
    """Do what the form at the path asks for; the path of the page that follows, None where there is none."""
    match path.strip("/").split("/"):
        case ["send"] if values.get("to"):
            world.send(values["to"], values.get("subject", ""), values.get("text", ""))
            return f"/folder/{SENT}"
        case ["delete"]:
            for mail in world.mails:
                if f"mail{mail.id}" in values:
                    mail.folder = TRASH
            return "/"
        case ["move", id] if (found := world.mail(id)) is not None and values.get("folder") in world.folders:
            found.folder = values["folder"]
            return "/"
    return None


def _page(world: World, title: str, body: str) -> str:
    links = [("/write", "Write"), *((f"/folder/{html.part(name)}", name) for name in world.folders)]
    return html.page(title, links, body)


def _folder(world: World, name: str, sender: str) -> str:
    found = [mail for mail in world.mails_in(name) if sender.lower() in mail.sender.lower()]
    search = html.form("/", html.text_field("From", "from", sender), "Find", "get") if name == INBOX else ""
    lines = (
        f'<input type="checkbox" name="mail{mail.id}" aria-label="Select {html.escape(_title(mail))}"> '
        + html.link(f"/mail/{mail.id}", _title(mail))
        for mail in found
    )
    listed = html.form("/delete", html.rows(lines), "Delete selected") if found else html.paragraph("No mails.")
    return _page(world, name, search + listed)


def _title(mail: Mail) -> str:
    return f"{mail.to if mail.folder == SENT else mail.sender}: {mail.subject}"


def _mail(world: World, mail: Mail) -> str:
    others = [name for name in world.folders if name not in (mail.folder, SENT)]
    body = (
        html.paragraph(f"From {mail.sender} to {mail.to}")
        + html.paragraph(mail.text)
        + html.link(f"/reply/{mail.id}", "Reply")
        + html.form("/delete", html.hidden(f"mail{mail.id}", "on"), "Delete")
        + html.form(f"/move/{mail.id}", html.choice("Move to", "folder", others), "Move")
    )
    return _page(world, mail.subject, body)


def _write(world: World, to: str, subject: str) -> str:
    fields = (
        html.text_field("To", "to", to)
        + html.text_field("Subject", "subject", subject)
        + '<p><label for="text">Text</label> <textarea id="text" name="text" rows="4" cols="40"></textarea></p>'
    )
    return _page(world, "New mail", html.form("/send", fields, "Send"))
