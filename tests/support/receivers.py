"""Those who are told of alerts: a webhook's receiver and a mail server, each in a thread on a free port."""

from __future__ import annotations

import base64
import hmac
import json
import socketserver
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from in_thread import InThread

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True)
class Request:
    """What came, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    def is_signed(self, secret: str = SECRET) -> bool:
        """Whether one of its signatures is of the secret, as a receiver who has read the specification checks it."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
        return any(hmac.compare_digest(it, wanted) for it in self.headers["webhook-signature"].split(" "))


class Receiver(InThread):
    """A webhook's receiver. It answers with one status after another, the last of them for ever, and keeps what came.

    ``before_answer`` is called when a request has been read and not answered yet.
    """

    def __init__(
        self, *statuses: int, headers: dict[str, str] | None = None, before_answer: Callable[[], None] = lambda: None
    ) -> None:
        self.requests: list[Request] = []
        self.statuses = list(statuses or (204,))
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                before_answer()
                first = len(receiver.statuses) > 1
                self.send_response(receiver.statuses.pop(0) if first else receiver.statuses[0])
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = _HttpServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.port}/alerts"


class _Patient(socketserver.ThreadingMixIn):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed or has stopped waiting is no fault of the receiver's."""


class _HttpServer(_Patient, HTTPServer):
    pass


class _MailServer(_Patient, socketserver.TCPServer):
    pass


class MailServer(InThread):
    """A mail server of the few commands that it takes (RFC 5321), with STARTTLS and AUTH PLAIN where it is given what for.

    It refuses messages to ``refused``, and keeps the others and the credentials that came.
    """

    def __init__(self, *, certificate: Path | None = None, password: str = "", refused: str = "") -> None:
        self.messages: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.credentials: list[bytes] = []
        self.certificate, self.password, self.refused = certificate, password, refused
        mail = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                session = _Session(mail, self.request)
                try:
                    session.serve()
                finally:
                    session.lines.close()
                    session.connection.close()

        self.server = _MailServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.port}"


class _Session:
    """One client's connection."""

    def __init__(self, mail: MailServer, connection: Any) -> None:
        self.mail = mail
        self.connection = connection
        self.lines = connection.makefile("rb")
        self.sender, self.recipients = "", list[str]()
        self.is_encrypted = False

    def serve(self) -> None:
        self.say("220 ready")
        while line := self.lines.readline():
            word, _, rest = line.decode().strip().partition(" ")
            if word.upper() == "QUIT":
                return
            self.say(self.answer(word.upper(), rest))
            if word.upper() == "STARTTLS":
                self.encrypt()

    def say(self, line: str) -> None:
        self.connection.sendall(line.encode() + b"\r\n")

    def answer(self, word: str, rest: str) -> str:
        match word:
            case "EHLO":
                can = "250-here\r\n" + "250-STARTTLS\r\n" * bool(self.mail.certificate and not self.is_encrypted)
                return can + "250-AUTH PLAIN\r\n" * bool(self.mail.password) + "250 SIZE 1000000"
            case "STARTTLS":
                return "220 go on"
            case "AUTH":
                self.mail.credentials.append(base64.b64decode(rest.removeprefix("PLAIN ")))
                fits = self.mail.credentials[-1].endswith(b"\0" + self.mail.password.encode())
                return "235 welcome" if fits else "535 no"
            case "MAIL":
                self.sender, self.recipients = rest.split("<")[1].split(">")[0], []
            case "RCPT":
                address = rest.split("<")[1].split(">")[0]
                if address == self.mail.refused:
                    return "550 no such mailbox"
                self.recipients.append(address)
            case "DATA":
                self.say("354 go on")
                self.take_message()
        return "250 ok"

    def take_message(self) -> None:
        lines = []
        while (line := self.lines.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.mail.messages.append(message_from_bytes(b"".join(lines), policy=policy.default))
        self.mail.envelopes.append((self.sender, self.recipients))

    def encrypt(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert self.mail.certificate is not None
        context.load_cert_chain(self.mail.certificate)
        self.lines.close()
        self.connection = context.wrap_socket(self.connection, server_side=True, do_handshake_on_connect=False)
        self.connection.do_handshake()
        self.lines, self.is_encrypted = self.connection.makefile("rb"), True
