"""An access key as decisions: issued once with scopes and limits, and revoked for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from given import SOMEONE, given
from grokputer.domain.aggregates.access_key import AccessKey
from grokputer.domain.events import AccessKeyIssued, AccessKeyRevoked


def issued(*scopes: str, limits: Mapping[str, float] | None = None) -> Callable[[AccessKey], None]:
    return lambda key: key.issue("sha256:aa", "bb", scopes, limits or {}, SOMEONE)


def revoked(key: AccessKey) -> None:
    key.revoke("sha256:cc", SOMEONE)


def test_a_key_is_issued_with_its_scopes_in_one_order_and_with_its_limits() -> None:
    fields: dict[str, Any] = {
        "holder": "sha256:aa",
        "digest": "bb",
        "scopes": ("infer", "rate"),
        "limits": {"money": 2.5},
    }
    given(AccessKey).when(issued("rate", "infer", "rate", limits={"money": 2.5})).then((AccessKeyIssued, fields))


@pytest.mark.parametrize(
    ("decision", "word"),
    [
        (issued(), "a key needs a scope; there are infer, feedback, rate, admin, metrics"),
        (issued("root"), "'root' is not a scope"),
        (issued("infer", limits={"requests": 0}), "requests cannot be limited to 0 per day"),
        (issued("infer", limits={"money": float("nan")}), "money cannot be limited to nan"),
        (issued("infer", limits={"tokens": float("inf")}), "tokens cannot be limited to inf"),
        (issued("infer", limits={"pictures": 3}), "'pictures' cannot be limited; requests, tokens, money can"),
    ],
)
def test_a_key_that_allows_nothing_or_has_an_impossible_limit_is_refused(
    decision: Callable[[AccessKey], None], word: str
) -> None:
    given(AccessKey).when(decision).then_refused(word)


def test_a_key_is_issued_once() -> None:
    given(AccessKey, issued("infer")).when(issued("admin")).then_refused("was issued before")


def test_a_key_is_revoked_once_and_only_after_it_was_issued() -> None:
    given(AccessKey, issued("infer")).when(revoked).then((AccessKeyRevoked, {"reason": "sha256:cc"}))
    given(AccessKey, issued("infer"), revoked).when(revoked).then_nothing()
    given(AccessKey).when(revoked).then_refused("never issued")
