"""The signature of a webhook, checked by a receiver that uses the library of Standard Webhooks, which others wrote."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from receivers import SECRET, Receiver, Request
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from given import ID, NOON
from grokputer.domain.aggregates.alert import Delivery
from grokputer.domain.events import AlertRaised
from grokputer.domain.settings.settings import Policy
from grokputer.runners.alerts.webhook import Webhook

OTHER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()


def sent(secrets: str = SECRET, late: timedelta = timedelta()) -> Request:
    """What a receiver gets of an alert that is sent now, by a clock that is late by so much."""
    alert = AlertRaised(
        originator_id=ID, originator_version=1, time=NOON, actor="grokputer", kind="canary failed", severity="critical",
        role="action", adapter="lora-v1", message="success 0.60, über 0.95 is needed", by="grokputer",
    )  # fmt: skip
    with Receiver() as receiver:
        policy = Policy({"alert.webhook": receiver.url, "alert.timeout_s": 5.0})
        channel = Webhook.from_settings(policy, {"GROKPUTER_WEBHOOK_SECRET": secrets})
        assert channel.send(Delivery("ab12", alert, 42), datetime.now(UTC) - late) == "HTTP 204 No Content"
    [request] = receiver.requests
    return request


def verified(request: Request, secret: str = SECRET) -> Any:
    return Verifier(secret).verify(request.body, request.headers)


def test_a_webhook_is_verified_by_the_library_of_the_standard() -> None:
    document = verified(sent())
    assert (document["id"], document["type"]) == ("ab12", "alert.canary_failed")
    assert document["message"] == "success 0.60, über 0.95 is needed"


def test_while_a_secret_is_exchanged_receivers_with_either_secret_verify() -> None:
    request = sent(f"{OTHER} {SECRET}")
    assert verified(request, SECRET) == verified(request, OTHER)


def test_a_secret_without_padding_is_the_same_secret() -> None:
    assert verified(sent(SECRET.rstrip("=")), SECRET)


def test_a_receiver_with_another_secret_refuses() -> None:
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        verified(sent(), OTHER)


def test_a_changed_body_is_refused() -> None:
    request = sent()
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        verified(replace(request, body=request.body.replace(b"0.60", b"0.99")))


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
def test_a_changed_id_or_time_is_refused(header: str) -> None:
    request = sent()
    earlier = str(int(request.headers["webhook-timestamp"]) - 1)
    changed = {"webhook-id": "cd34", "webhook-timestamp": earlier}[header]
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        verified(replace(request, headers=request.headers | {header: changed}))


@pytest.mark.parametrize(("late", "said"), [(timedelta(minutes=6), "too old"), (-timedelta(minutes=6), "too new")])
def test_a_request_of_another_time_is_refused_so_an_old_one_cannot_be_sent_again(late: timedelta, said: str) -> None:
    with pytest.raises(WebhookVerificationError, match=said):
        verified(sent(late=late))
