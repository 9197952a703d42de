"""Access keys on the command line: shown once, listed without themselves, and revoked by holder or by id."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from command_line import call, document, lines, output

from grokputer.runners.store.log import Log
from grokputer.runners.store.states import load_state


def test_a_new_key_is_printed_and_the_log_has_its_hash_alone(log: Path) -> None:
    key = output("keys", "create", "ada's agent", db=log).strip()
    assert key.startswith("gp_") and len(key) >= 43
    assert key.encode() not in log.read_bytes()
    [valid] = load_state(Log.open(log)).access.valid().values()
    assert (valid.digest, valid.scopes) == (hashlib.sha256(key.encode()).hexdigest(), ["infer", "feedback"])


def test_keys_are_listed_with_holder_scopes_limits_and_status(log: Path) -> None:
    output("keys", "create", "ada", "--scope", "rate", "--requests", "100", "--money", "2.5", db=log)
    output("keys", "create", "bob", db=log)
    output("keys", "revoke", "bob", "--reason", "left the team", db=log)
    ada, bob = document("keys", db=log)
    assert (ada["holder"], ada["scopes"], ada["limits"]) == ("ada", ["rate"], {"requests": 100, "money": 2.5})
    assert ada["revoked"] is None and bob["revoked"] is not None
    shown = output("keys", db=log)
    assert "100 requests 2.5 money" in shown and "revoked 20" in shown


def test_a_key_is_revoked_by_the_beginning_of_its_id_and_the_reason_is_kept(log: Path) -> None:
    id = document("keys", "create", "ada", db=log)["id"]
    output("keys", "create", "ada", db=log)
    output("keys", "revoke", id[:8], "--reason", "lost", "--as", "eve", db=log)
    [revoked] = lines(log, "--event", "AccessKeyRevoked")
    assert revoked["data"]["reason"] == "lost" and revoked["actor"] == "eve"
    assert len(load_state(Log.open(log)).access.valid()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", " "), "a key needs a holder"),
        (("create", "grokputer"), "one of the program's own names"),
        (("create", "ada", "--requests", "-1"), "cannot be limited to -1 per day"),
        (("revoke", "zoe"), "no valid key begins with 'zoe' or belongs to it; there is no valid key"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_records_nothing(log: Path, words: tuple[str, ...], said: str) -> None:
    before = Log.open(log).position
    result = call("keys", *words, db=log)
    assert result.exit_code == 1 and said in result.stderr and result.stderr.count("\n") == 1
    assert Log.open(log).position == before


def test_two_keys_of_one_holder_are_told_apart_before_one_is_revoked(log: Path) -> None:
    for _ in range(2):
        output("keys", "create", "ada", db=log)
    result = call("keys", "revoke", "ada", db=log)
    assert result.exit_code == 1 and "means more than one key" in result.stderr


def test_a_forgotten_holder_is_shown_as_erased_and_the_key_can_still_be_revoked(log: Path) -> None:
    output("keys", "create", "ada", db=log)
    output("forget", "--person", "ada", "--reason", "asked", "--yes", db=log)
    [row] = document("keys", db=log)
    assert row["holder"] == "(erased)"
    output("keys", "revoke", row["id"][:8], db=log)
    assert document("keys", db=log)[0]["revoked"] is not None
    output("verify", db=log)
