"""Alerts by e-mail: a plain text message over SMTP that says what happened, with the numbers, and what to do next.

The password comes from the environment and appears in no message and no fact.
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
from ...projections.explain.escaping import escape_text
from .deadline import SLACK, one_line, within

PASSWORD_VARIABLE = "GROKPUTER_SMTP_PASSWORD"
WIDTH = 76
"""Characters of a line; chosen: what every mail program shows without folding."""


class Mail:
    """One mail server, the address that messages come from, and those they go to."""

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
        """The mail that is set. Raises ``ChannelNotReady`` where something it needs is missing."""
        recipients, server = policy.channels.email_to, policy.channels.smtp
        if recipients is None:
            raise ChannelNotReady("no e-mail is set; set alert.email_to to one or more addresses")
        if server is None:
            raise ChannelNotReady("alert.smtp is not set; set it to the mail server, as in mail.example.org:587")
        if not 1 <= int(server.rpartition(":")[2]) <= 65_535:
            raise ChannelNotReady(f"alert.smtp is {server}, which has no such port; there are 1 to 65535")
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
        """Hand it to the server, once; see ``Channel.send``."""
        return within(self.timeout_s, lambda: self._hand_over(self.write(delivery, now)))

    def write(self, delivery: Delivery, now: datetime) -> EmailMessage:
        """The message; whatever the alert says, its headers are those written here."""
        alert, resolved = delivery.alert, delivery.resolved
        about = f"{alert.role}, {alert.adapter}" if alert.adapter else alert.role
        message = EmailMessage()
        # Mail programs show what has the same subject, and answers the first, as one thread.
        answer = "" if resolved is None else "Re: "
        message["Subject"] = one_line(f"{answer}[grokputer] {alert.severity}: {alert.kind} ({about})")
        message["From"], message["To"] = self.sender, ", ".join(split(self.to))
        message["Date"] = format_datetime(now)
        # The same at every attempt: a mail program that knows it already shows it once.
        domain = self.sender.rpartition("@")[2]
        message["Message-ID"] = f"<{delivery.id}@{domain}>"
        if resolved is not None:
            message["In-Reply-To"] = message["References"] = f"<{delivery.first_id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        told = alert if resolved is None else resolved
        said = f"{escape_text(told.message.rstrip('.'))}."
        paragraphs = (
            said if resolved is None else f"Resolved: {said}",
            *([] if resolved is None else [f"It was: {escape_text(alert.message.rstrip('.'))}."]),
            f"What to do next: {escape_text(delivery.next_step)}",
            f"Role {alert.role}{f', adapter {escape_text(alert.adapter)}' if alert.adapter else ''}, {alert.severity}.\n"
            f"At {told.time:%Y-%m-%d %H:%M:%S} UTC, position {delivery.position} in the log, delivery {delivery.id}.",
        )
        message.set_content("\n\n".join(_fill(paragraph) for paragraph in paragraphs) + "\n")
        return message

    def _hand_over(self, message: EmailMessage) -> str | Failure:
        try:
            with closing(self._connect()) as server:
                if self.security == "starttls":
                    server.starttls(
                        context=ssl.create_default_context()
                    )  # raises where it has none: never in the clear
                if self.login is not None:
                    server.login(*self.login)
                refused = server.send_message(message)
                with suppress(smtplib.SMTPException, OSError):
                    server.putcmd("quit")  # It has been accepted; a slow goodbye must not make a failure of that.
        except UnicodeError:  # without its words, which show what it stumbled on
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
    """The paragraph in lines of ``WIDTH``; a command, which is to be copied, stays on one."""
    whole = re.sub("'grokputer [^']*'", lambda match: match[0].replace(" ", "\xa0"), paragraph)
    filled = [textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False) for line in whole.splitlines()]
    return "\n".join(filled).replace("\xa0", " ")


def _reason(error: Exception) -> str:
    """Why, in words of ours before the server's; of a refused password nothing of the server's."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return (
                f"it refused user name or password ({error.smtp_code}); check alert.smtp_user and {PASSWORD_VARIABLE}"
            )
        case smtplib.SMTPNotSupportedError():
            return f"{one_line(error)}; check alert.smtp_security"
        case smtplib.SMTPRecipientsRefused():
            code, said = next(iter(error.recipients.values()))
            return f"it refused every recipient: {code} {one_line(said.decode(errors='replace'))}"
        case smtplib.SMTPResponseException():
            text = error.smtp_error
            return f"it answered {error.smtp_code} {one_line(text if isinstance(text, str) else text.decode(errors='replace'))}"
        case smtplib.SMTPException():
            return f"the connection was lost: {one_line(error)}"
    return f"no connection: {one_line(error)}"
