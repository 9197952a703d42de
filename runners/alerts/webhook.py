"""Alerts by HTTP: a POST of JSON, signed by Standard Webhooks 1.0.0, so that a receiver can detect forgeries.

The secret and, where the setting is ``env``, the URL come from the environment and appear in no message and no event.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import responses
from importlib.metadata import version
from typing import Any, Self
from urllib.parse import urlsplit

from ...domain.aggregates.alert import Delivery, Failure
from ...domain.errors import ChannelNotReady
from ...domain.events import AlertRaised, AlertResolved
from ...domain.settings.settings import Policy
from .deadline import SLACK, one_line, within
from .next_steps import next_step

URL_VARIABLE = "GROKPUTER_WEBHOOK_URL"
SECRET_VARIABLE = "GROKPUTER_WEBHOOK_SECRET"
PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
"""Bytes of a signing key (Standard Webhooks 1.0.0, "Signature scheme")."""


class Webhook:
    """One URL. All ``keys`` sign each request, so that a key can be replaced while receivers still use the other one."""

    def __init__(self, url: str, keys: Sequence[bytes], *, to: str, timeout_s: float) -> None:
        self.url = url
        self.keys = keys
        self.to = to
        self.timeout_s = timeout_s

    @classmethod
    def from_settings(cls, policy: Policy, environment: Mapping[str, str]) -> Self:
        """The webhook from the settings. Raises ``ChannelNotReady`` where the URL or a secret is missing or invalid."""
        url = policy.channels.webhook
        if url is None:
            raise ChannelNotReady("no webhook is set; set alert.webhook to a URL, or to env")
        is_secret = url == "env"
        to, source = (URL_VARIABLE, URL_VARIABLE) if is_secret else (url, "alert.webhook")
        if is_secret:
            url = environment.get(URL_VARIABLE, "").strip()
        if not url:
            raise ChannelNotReady(f"alert.webhook is env, but {URL_VARIABLE} is not set; set it to the URL")
        if not is_url(url):
            raise ChannelNotReady(f"{source} is not a URL; it is http:// or https:// with a host and perhaps a path")
        keys = read_keys(environment.get(SECRET_VARIABLE, ""))
        return cls(url, keys, to=to, timeout_s=policy.channels.timeout_s)

    def send(self, delivery: Delivery, now: datetime) -> str | Failure:
        """Post the delivery, once; see ``Channel.send``. Redirects are not followed: only the setting decides where
        alerts go."""
        return within(self.timeout_s, lambda: self._post(delivery, now))

    def _post(self, delivery: Delivery, now: datetime) -> str | Failure:
        import httpx2 as httpx

        logging.getLogger(httpx.__name__).setLevel(logging.WARNING)  # it logs each URL, which may be a secret
        body = encode(delivery)
        headers = {
            "content-type": "application/json",
            "user-agent": f"grokputer/{version('grokputer')}",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": sign(self.keys, delivery.id, int(now.timestamp()), body),
        }
        try:
            # As a stream: the body of the answer is not read.
            with (
                httpx.Client(timeout=SLACK * self.timeout_s, follow_redirects=False) as client,
                client.stream("POST", self.url, content=body, headers=headers) as response,
            ):
                return _judge(response.status_code, response.headers.get("retry-after"), now)
        except httpx.ConnectError as error:
            return Failure(f"no connection: {one_line(error)}")
        except (httpx.InvalidURL, UnicodeError):  # the latter for an invalid host name
            return Failure("the URL cannot be used")
        except httpx.HTTPError as error:
            return Failure(f"the connection was lost: {one_line(error) or type(error).__name__}")


def _judge(status: int, retry_after: str | None, now: datetime) -> str | Failure:
    """The result by the status code (Standard Webhooks 1.0.0, "Delivery success and failure")."""
    answer = f"HTTP {status} {responses.get(status, '')}".rstrip()
    if 200 <= status < 300:
        return answer
    if 300 <= status < 400:
        return Failure(f"{answer}; redirects are not followed, set alert.webhook to their target")
    return Failure(answer, read_retry_after(retry_after, now), is_final=status == HTTPStatus.GONE)


def encode(delivery: Delivery) -> bytes:
    """The body of the request; docs/alerts.md describes its fields."""
    alert = delivery.alert
    if delivery.resolved is not None:
        return _encode_resolved(delivery, delivery.resolved)
    document: dict[str, Any] = {
        "id": delivery.id,
        "type": _type(alert),
        "time": alert.time.isoformat(),
        "severity": alert.severity,
        "role": alert.role,
        "adapter": alert.adapter,
        "message": alert.message,
        "position": delivery.position,
        "reference": alert.reference,
        "text": f"grokputer, {alert.severity}, {alert.kind}: {alert.message.rstrip('.')}. {next_step(delivery)}",
    }
    if alert.by:
        document["by"] = alert.by
    return _as_bytes(document)


def _encode_resolved(delivery: Delivery, resolved: AlertResolved) -> bytes:
    """The body for the end of an alert: ``resolves`` names that alert by its ``id``, ``type`` and ``reference``."""
    alert = delivery.alert
    return _as_bytes(
        {
            "id": delivery.id,
            "type": "alert.resolved",
            "time": resolved.time.isoformat(),
            "severity": "info",
            "role": alert.role,
            "adapter": alert.adapter,
            "message": resolved.message,
            "position": delivery.position,
            "reference": resolved.reference,
            "resolves": {"id": delivery.first_id, "type": _type(alert), "reference": alert.reference},
            "text": f"grokputer, resolved, {alert.kind}: {resolved.message.rstrip('.')}.",
        }
    )


def _type(alert: AlertRaised) -> str:
    return f"alert.{alert.kind.replace(' ', '_')}"


def _as_bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def sign(keys: Sequence[bytes], id: str, timestamp_s: int, body: bytes) -> str:
    """The header ``webhook-signature``: ``v1,<base64>`` for each key, separated by spaces."""
    signed = f"{id}.{timestamp_s}.".encode() + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)


def read_keys(secrets: str) -> list[bytes]:
    """The signing keys of one or more secrets, separated by spaces. Raises ``ChannelNotReady`` without quoting them."""
    if not secrets.split():
        raise ChannelNotReady(
            f"{SECRET_VARIABLE} is not set; an alert is never sent unsigned: make one with "
            f'echo "{PREFIX}$(openssl rand -base64 32)" and give it to the receiver too'
        )
    keys = []
    for secret in secrets.split():
        encoded = secret.removeprefix(PREFIX)
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not secret.startswith(PREFIX) or len(key) not in KEY_BYTES:
            raise ChannelNotReady(
                f"{SECRET_VARIABLE} is not a secret; it is {PREFIX} and {KEY_BYTES[0]} to {KEY_BYTES[-1]} bytes in base64, "
                f'as echo "{PREFIX}$(openssl rand -base64 32)" makes one'
            )
        keys.append(key)
    return keys


def is_url(text: str) -> bool:
    """Whether the text is an absolute HTTP URL with a host and a valid port, if any."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def read_retry_after(header: str | None, now: datetime) -> float:
    """Seconds that ``Retry-After`` asks for, as a number or a date (RFC 9110, 10.2.3); 0 where it is neither."""
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (ValueError, TypeError):  # not a date, or without a time zone
        return 0.0
