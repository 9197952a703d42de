"""The channels alone: what a webhook and a mail server are really sent, and what is said when they do not take it."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from receivers import SECRET, MailServer, Receiver

from given import ID, NOON
from grokputer.domain.aggregates.alert import Delivery, Failure
from grokputer.domain.errors import ChannelNotReady
from grokputer.domain.events import AlertRaised
from grokputer.domain.settings.settings import Policy
from grokputer.runners.alerts.mail import Mail
from grokputer.runners.alerts.webhook import Webhook, is_url, read_keys, read_retry_after, sign

MESSAGE = "lora-v1 was rolled back to the base: success 0.60 of the last 20 canary runs, über 0.95 is needed"


def delivery(message: str = MESSAGE, adapter: str | None = "lora-v1") -> Delivery:
    alert = AlertRaised(
        originator_id=ID, originator_version=1, time=NOON, actor="grokputer", kind="canary failed", severity="critical",
        role="action", adapter=adapter, message=message, by="grokputer",
    )  # fmt: skip
    return Delivery("ab12", alert, 42)


def webhook(url: str, environment: dict[str, str] | None = None, timeout_s: float = 5.0) -> Webhook:
    policy = Policy({"alert.webhook": url, "alert.timeout_s": timeout_s})
    return Webhook.from_settings(policy, {"GROKPUTER_WEBHOOK_SECRET": SECRET, **(environment or {})})


def mail(server: str, environment: dict[str, str] | None = None, **settings: Any) -> Mail:
    plain = {"alert.email_to": "ada@example.org, bob@example.org", "alert.smtp": server, "alert.smtp_security": "none"}
    given = {f"alert.{key}": value for key, value in settings.items()}
    return Mail.from_settings(Policy({**plain, "alert.timeout_s": 5.0, **given}), environment or {})


# --- webhook ---


def test_a_signature_is_the_one_of_the_specifications_libraries() -> None:
    """The vector that the reference libraries of Standard Webhooks test themselves with."""
    keys = read_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = sign(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_gets_a_signed_document_that_says_everything() -> None:
    with Receiver() as receiver:
        assert webhook(receiver.url).send(delivery(), NOON) == "HTTP 204 No Content"
    [request] = receiver.requests
    assert request.is_signed()
    assert (request.path, request.headers["content-type"]) == ("/alerts", "application/json")
    assert (request.headers["webhook-id"], request.headers["webhook-timestamp"]) == ("ab12", "1767268800")
    text = request.document.pop("text")
    document = request.document
    assert document.pop("text") == text
    assert "critical, canary failed: " + MESSAGE in text and "grokputer why lora-v1" in text
    assert document == {
        "id": "ab12", "type": "alert.canary_failed", "time": "2026-01-01T12:00:00+00:00", "severity": "critical",
        "role": "action", "adapter": "lora-v1", "message": MESSAGE, "position": 42, "reference": f"{ID}/1",
        "by": "grokputer",
    }  # fmt: skip


def test_while_a_secret_is_exchanged_both_sign() -> None:
    other = SECRET.replace("AAEC", "AgEA")
    with Receiver() as receiver:
        webhook(receiver.url, {"GROKPUTER_WEBHOOK_SECRET": f"{other} {SECRET}"}).send(delivery(), NOON)
    [request] = receiver.requests
    assert request.is_signed(SECRET) and request.is_signed(other)
    assert not request.is_signed(SECRET.replace("AAEC", "AAAA"))


def test_a_url_that_is_a_secret_comes_from_the_environment_and_is_named_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with Receiver() as receiver:
        url = receiver.url.replace("alerts", "services/T0/B0/topsecret?key=1")
        channel = webhook("env", {"GROKPUTER_WEBHOOK_URL": url})
        assert channel.send(delivery(), NOON) == "HTTP 204 No Content"
    assert receiver.requests[0].path == "/services/T0/B0/topsecret?key=1"
    assert channel.to == "GROKPUTER_WEBHOOK_URL"
    lost = channel.send(delivery(), NOON)
    assert isinstance(lost, Failure)
    assert "topsecret" not in lost.reason + caplog.text and "refused" in lost.reason


@pytest.mark.parametrize(
    ("status", "words", "is_final"),
    [(500, "HTTP 500 Internal Server Error", False), (404, "HTTP 404 Not Found", False), (410, "HTTP 410 Gone", True),
     (302, "redirects are not followed", False), (599, "HTTP 599", False)],
)  # fmt: skip
def test_a_status_other_than_success_is_a_failure_that_names_it(status: int, words: str, is_final: bool) -> None:
    with Receiver(status, headers={"Location": "http://127.0.0.1:1/"}) as receiver:
        answer = webhook(receiver.url).send(delivery(), NOON)
    assert isinstance(answer, Failure)
    assert words in answer.reason and answer.is_final is is_final
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), ("Thu, 01 Jan 2026 12:05:00 GMT", 300.0), ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0), ("soon", 0.0),
     ("-5", 0.0)],
)  # fmt: skip
def test_a_receiver_says_how_long_it_wants_to_be_left_alone(header: str, seconds: float) -> None:
    assert read_retry_after(header, NOON) == seconds
    assert read_retry_after(None, NOON) == 0


def test_the_wait_that_a_busy_receiver_asks_for_is_handed_on() -> None:
    with Receiver(429, headers={"Retry-After": "77"}) as receiver:
        assert webhook(receiver.url).send(delivery(), NOON) == Failure("HTTP 429 Too Many Requests", 77.0)


def test_a_slow_receiver_fails_at_the_time_limit_even_if_it_answers_byte_by_byte() -> None:
    ends = threading.Event()

    def wait() -> None:
        ends.wait(30)

    with Receiver(before_answer=wait) as receiver:
        began = time.monotonic()
        assert webhook(receiver.url, timeout_s=0.2).send(delivery(), NOON) == Failure("no answer within 0.2 s")
        assert time.monotonic() - began < 5
        ends.set()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert webhook(url, timeout_s=0.3).send(delivery(), NOON) == Failure("no answer within 0.3 s")
        thread.join(10)


def drip(server: socket.socket) -> None:
    """Answer a byte each tenth of a second: no single read takes long, and the answer never ends."""
    connection, _ = server.accept()
    with connection:
        for _ in range(10):
            connection.sendall(b"H")
            time.sleep(0.1)


def test_a_name_that_no_look_up_takes_is_a_failure_in_words() -> None:
    for url in ("http://a..b/", f"http://{'a' * 300}.org/", "http://☃.invalid/", "http://127.0.0.1/\r\nx: y"):
        assert webhook("env", {"GROKPUTER_WEBHOOK_URL": url}).send(delivery(), NOON) == Failure(
            "the URL cannot be used"
        )
    answer = mail("a..b:25").send(delivery(), NOON)
    assert isinstance(answer, Failure)
    assert "character" in answer.reason


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://no-such-host.invalid/x"])
def test_a_host_that_cannot_be_reached_is_a_failure_in_words(url: str) -> None:
    answer = webhook(url).send(delivery(), NOON)
    assert isinstance(answer, Failure)
    assert answer.reason.startswith("no connection: ")


def test_a_receiver_that_does_not_speak_http_is_a_failure_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=speak, args=(server,), daemon=True).start()
        answer = webhook(f"http://127.0.0.1:{server.getsockname()[1]}/").send(delivery(), NOON)
    assert isinstance(answer, Failure)
    assert answer.reason.startswith("the connection was lost: ")


def speak(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"220 ready\r\n\r\n")


@pytest.mark.parametrize(
    ("url", "environment", "word"),
    [
        ("https://host/x", {"GROKPUTER_WEBHOOK_SECRET": ""}, "never sent unsigned"),
        ("https://host/x", {"GROKPUTER_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ("https://host/x", {"GROKPUTER_WEBHOOK_SECRET": SECRET.removeprefix("whsec_")}, "it is whsec_ and"),
        ("https://host/x", {"GROKPUTER_WEBHOOK_SECRET": "whsec_hunter2!hunter2!hunter2!hunter2!"}, "in base64"),
        ("env", {}, "GROKPUTER_WEBHOOK_URL is not set"),
        ("env", {"GROKPUTER_WEBHOOK_URL": "hooks.example.org/topsecret"}, "GROKPUTER_WEBHOOK_URL is not a URL"),
        ("https://host:99999/x", {}, "alert.webhook is not a URL"),
    ],
)
def test_a_webhook_without_what_it_needs_says_what_and_not_the_secret(
    url: str, environment: dict[str, str], word: str
) -> None:
    with pytest.raises(ChannelNotReady, match=word) as caught:
        webhook(url, environment)
    for secret in ("hunter2", "topsecret", "c2hvcnQ", SECRET[10:]):
        assert secret not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_url_has_a_scheme_a_host_and_a_port_that_exists() -> None:
    assert all(map(is_url, ("http://host", "https://host:8443/x?y=z", "http://[::1]:80/", "https://me:pw@host/")))
    assert not any(
        map(is_url, ("", "host", "ftp://host", "http://", "http://[::1", "http://host:x/", "http://host:0/"))
    )


# --- e-mail ---


def test_a_mail_says_what_happened_the_numbers_and_what_to_do_next() -> None:
    with MailServer() as server:
        assert mail(server.address).send(delivery(), NOON) == "accepted by 127.0.0.1"
    [message], [envelope] = server.messages, server.envelopes
    assert envelope == ("ada@example.org", ["ada@example.org", "bob@example.org"])
    assert message["Subject"] == "[grokputer] critical: canary failed (action, lora-v1)"
    assert message["Message-ID"] == "<ab12@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOON
    text = message.get_content()
    assert MESSAGE in " ".join(text.split())
    assert "'grokputer why lora-v1'" in text and "position 42" in text
    assert max(map(len, text.splitlines())) <= 76


def test_a_repeated_mail_has_the_same_message_id_and_another_date() -> None:
    channel = mail("127.0.0.1:25")
    first, second = (channel.write(delivery(), NOON + timedelta(hours=it)) for it in (0, 1))
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] != second["Date"]


def test_no_alert_writes_a_header_or_ends_a_message_early() -> None:
    evil = "no gain\r\nBcc: eve@example.org\r\n\r\n.\r\nRSET\r\n" + "x" * 2000
    with MailServer() as server:
        answer = mail(server.address).send(delivery(evil, "lora\r\nBcc: eve@example.org"), NOON)
    assert answer == "accepted by 127.0.0.1"
    [message] = server.messages
    assert message["Bcc"] is None
    assert "canary failed (action, lora Bcc: eve@example.org)" in message["Subject"]
    assert "RSET" in message.get_content() and "x" * 2000 in message.get_content()


def test_one_of_several_that_is_refused_is_said_and_all_of_them_a_failure() -> None:
    with MailServer(refused="bob@example.org") as server:
        assert mail(server.address).send(delivery(), NOON) == "accepted by 127.0.0.1, refused for bob@example.org"
        answer = mail(server.address, email_to="bob@example.org", email_from="g@example.org").send(delivery(), NOON)
    assert answer == Failure("it refused every recipient: 550 no such mailbox")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that no authority has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes a certificate, is not installed")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    extension = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *extension, "-keyout", file, "-out", file], check=True, capture_output=True)
    return file


def test_a_password_goes_over_an_encrypted_connection_to_a_server_that_is_who_it_says(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = {"GROKPUTER_SMTP_PASSWORD": "hunter2"}
    with MailServer(certificate=certificate, password="hunter2") as server:
        channel = mail(server.address, password, smtp_user="ada", smtp_security="starttls")
        unknown = channel.send(delivery(), NOON)
        assert isinstance(unknown, Failure)
        assert "certificate verify failed" in unknown.reason
        assert server.credentials == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert channel.send(delivery(), NOON) == "accepted by 127.0.0.1"
        assert server.credentials == [b"\0ada\0hunter2"]
        wrong = mail(
            server.address, {"GROKPUTER_SMTP_PASSWORD": "topsecret"}, smtp_user="ada", smtp_security="starttls"
        )
        refused = wrong.send(delivery(), NOON)
    assert isinstance(refused, Failure)
    assert "GROKPUTER_SMTP_PASSWORD" in refused.reason and "topsecret" not in refused.reason


def test_a_server_without_encryption_gets_nothing_where_encryption_is_set() -> None:
    with MailServer() as server:
        answer = mail(server.address, smtp_security="starttls").send(delivery(), NOON)
        assert isinstance(answer, Failure)
        assert "alert.smtp_security" in answer.reason
        assert isinstance(mail(server.address, smtp_security="tls").send(delivery(), NOON), Failure)
    assert server.messages == []


def test_a_mail_server_that_hangs_or_is_not_there_is_a_failure_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert mail(address, timeout_s=0.2).send(delivery(), NOON) == Failure("no answer within 0.2 s")
    answer = mail(address).send(delivery(), NOON)
    assert isinstance(answer, Failure)
    assert answer.reason.startswith("no connection: ")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"smtp": None}, "alert.smtp is not set"),
        ({"smtp": "mail.example.org:99999"}, "1 to 65535"),
        ({"smtp_user": "ada"}, "in the clear"),
        ({"smtp_user": "ada", "smtp_security": "tls"}, "GROKPUTER_SMTP_PASSWORD is not set"),
    ],
)
def test_a_mail_without_what_it_needs_says_what(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ChannelNotReady, match=word):
        mail(settings.pop("smtp", "127.0.0.1:25"), **settings)


def test_odd_addresses_that_the_setting_lets_through_break_nothing() -> None:
    for address in ("a..b@example.org", "a@b", "o'hara+x@sub.example.org", "-@-"):
        channel = mail("127.0.0.1:25", email_to=address)
        assert channel.write(delivery(), datetime.now(UTC)).as_bytes()
