"""Alerts by e-mail: a plain text message over SMTP with what happened, the numbers, and what to do next.

The password comes from the environment and appears in no message and no event.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import textwrap
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Self

from ...domain.aggregates.alert import Delivery, Failure
from ...domain.errors import ChannelNotReady
from ...domain.settings.settings import Policy
from ...projections.wording.escaping import escape_text
from .deadline import SLACK, one_line, within
from .next_steps import next_step

PASSWORD_VARIABLE = "GROKPUTER_SMTP_PASSWORD"
WIDTH = 76
"""Characters of a line; chosen: every mail program shows them without wrapping."""


class Mail:
    """One mail server, the sender's address, and the recipients."""

    def __init__(
        self,
        server: str,
        *,
        recipients: str,
        sender: str,
        security: str = "starttls",
        login: tuple[str, str] | None = None,
        timeout_s: float,
    ) -> None:
        self.host, _, port = server.rpartition(":")
        self.host = self.host.strip("[]")
        self.port = int(port)
        self.to = recipients
        self.sender = sender
        self.security = security
        self.login = login
        self.timeout_s = timeout_s

    @classmethod
    def from_settings(cls, policy: Policy, environment: Mapping[str, str]) -> Self:
        """The mail channel from the settings. Raises ``ChannelNotReady`` where something is missing."""
        recipients, server = policy.channels.email_to, policy.channels.smtp
        if recipients is None:
            raise ChannelNotReady("no e-mail is set; set alert.email_to to one or more addresses")
        if server is None:
            raise ChannelNotReady("alert.smtp is not set; set it to the mail server, as in mail.example.org:587")
        if not 1 <= int(server.rpartition(":")[2]) <= 65_535:
            raise ChannelNotReady(f"alert.smtp is {server}, and its port is out of range; it takes 1 to 65535")
        user, security = policy.channels.smtp_user, policy.channels.smtp_security
        password = environment.get(PASSWORD_VARIABLE, "")
        if user is not None and security == "none":
            raise ChannelNotReady(
                "alert.smtp_user is set, but alert.smtp_security is none: the password would be sent in the clear; "
                "set it to starttls or tls"
            )
        if user is not None and not password:
            raise ChannelNotReady(f"alert.smtp_user is {user}, but {PASSWORD_VARIABLE} is not set")
        return cls(
            server,
            recipients=recipients,
            sender=policy.channels.email_from or split(recipients)[0],
            security=security,
            login=(user, password) if user is not None else None,
            timeout_s=policy.channels.timeout_s,
        )

    def send(self, delivery: Delivery, now: datetime) -> str | Failure:
        """Hand the message to the server, once; see ``Channel.send``."""
        return within(self.timeout_s, lambda: self._hand_over(self.write(delivery, now)))

    def write(self, delivery: Delivery, now: datetime) -> EmailMessage:
        """The message. Whatever the alert says, it cannot change the headers."""
        alert, resolved = delivery.alert, delivery.resolved
        about = f"{alert.role}, {alert.adapter}" if alert.adapter else alert.role
        message = EmailMessage()
        # Mail programs show messages with the same subject, one a reply to the other, as a thread.
        answer = "" if resolved is None else "Re: "
        message["Subject"] = one_line(f"{answer}[grokputer] {alert.severity}: {alert.kind} ({about})")
        message["From"], message["To"] = self.sender, ", ".join(split(self.to))
        message["Date"] = format_datetime(now)
        # The same at every attempt, so that a mail program shows duplicates once.
        domain = self.sender.rpartition("@")[2]
        message["Message-ID"] = f"<{delivery.id}@{domain}>"
        if resolved is not None:
            message["In-Reply-To"] = message["References"] = f"<{delivery.first_id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        event = alert if resolved is None else resolved
        sentence = f"{escape_text(event.message.rstrip('.'))}."
        paragraphs = (
            sentence if resolved is None else f"Resolved: {sentence}",
            *([] if resolved is None else [f"It was: {escape_text(alert.message.rstrip('.'))}."]),
            f"What to do next: {escape_text(next_step(delivery))}",
            f"Role {alert.role}{f', adapter {escape_text(alert.adapter)}' if alert.adapter else ''}, {alert.severity}.\n"
            f"At {event.time:%Y-%m-%d %H:%M:%S} UTC, position {delivery.position} in the log, delivery {delivery.id}.",
        )
        message.set_content("\n\n".join(_fill(paragraph) for paragraph in paragraphs) + "\n")
        return message

    def _hand_over(self, message: EmailMessage) -> str | Failure:
        try:
            with closing(self._connect()) as server:
                if self.security == "starttls":
                    server.starttls(context=ssl.create_default_context())  # raises without TLS: never unencrypted
                if self.login is not None:
                    server.login(*self.login)
                refused = server.send_message(message)
                with suppress(smtplib.SMTPException, OSError):
                    server.putcmd("quit")  # accepted already; a slow goodbye is no failure
        except UnicodeError:  # without its message, which quotes the text
            return Failure("the server, the user name or the password has a character that cannot be sent")
        except (smtplib.SMTPException, OSError) as error:
            return Failure(_reason(error))
        without = f", refused for {', '.join(sorted(refused))}" if refused else ""
        return f"accepted by {self.host}{without}"

    def _connect(self) -> smtplib.SMTP:
        limit_s = SLACK * self.timeout_s
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=limit_s, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=limit_s)


def split(recipients: str) -> list[str]:
    """The addresses of the setting."""
    return re.split(" *, *", recipients)


def _fill(paragraph: str) -> str:
    """The paragraph in lines of ``WIDTH``; a command, which people copy, stays on one line."""
    unbroken = re.sub("'grokputer [^']*'", lambda match: match[0].replace(" ", "\xa0"), paragraph)
    filled = [
        textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False) for line in unbroken.splitlines()
    ]
    return "\n".join(filled).replace("\xa0", " ")


def _reason(error: Exception) -> str:
    """The reason in this program's words, then the server's; for a refused password nothing of the server's."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return (
                f"it refused user name or password ({error.smtp_code}); check alert.smtp_user and {PASSWORD_VARIABLE}"
            )
        case smtplib.SMTPNotSupportedError():
            return f"{one_line(error)}; check alert.smtp_security"
        case smtplib.SMTPRecipientsRefused():
            code, text = next(iter(error.recipients.values()))
            return f"it refused every recipient: {code} {one_line(text.decode(errors='replace'))}"
        case smtplib.SMTPResponseException():
            answer = error.smtp_error
            line = one_line(answer if isinstance(answer, str) else answer.decode(errors="replace"))
            return f"it answered {error.smtp_code} {line}"
        case smtplib.SMTPException():
            return f"the connection was lost: {one_line(error)}"
    return f"no connection: {one_line(error)}"
