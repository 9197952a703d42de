"""Strangers, forged cookies, forms of other sites: who may see and send what."""

from __future__ import annotations

import stat
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from command_line import lines, output
from gateways import Served, make_key, serving
from page_forms import ask, cookie_of, token_of

from grokputer.runners.gateway import replies
from grokputer.runners.gateway.site.door import COOKIE, MOST_FAILURES, Door, secret_of
from grokputer.runners.gateway.site.site import MOST_FIELDS
from story import Story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    story = Story(tmp_path / "events.db")
    story.run()
    story.ledger.close()
    return story.path


def test_a_stranger_is_sent_to_the_door_and_a_program_is_told_why(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        for page in ("/", "/runs?failed=1", "/rate"):
            sent = ask(gateway, "GET", page)
            assert (sent.status, sent.headers["location"]) == (303, f"/sign-in?to={quote(page, safe='')}")
        asked = ask(gateway, "GET", "/runs", {"accept": "application/json"})
        assert asked.status == 401 and "scope rate or admin" in asked.text
        assert ask(gateway, "GET", "/live").status == 401
        sent = ask(gateway, "POST", f"/rate/{'0' * 32}?order=oldest", stars="1")
        assert (sent.status, sent.headers["location"]) == (303, f"/sign-in?to=%2Frate%2F{'0' * 32}%3Forder%3Doldest")


def test_the_cookie_is_for_this_site_alone_and_outlives_a_restart(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        given = ask(gateway, "POST", "/sign-in", key=gateway.key, to="/runs")
        assert given.headers["location"] == "/runs"
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(given.headers["set-cookie"].split("; "))
        assert (
            "Secure"
            in ask(gateway, "POST", "/sign-in", {"x-forwarded-proto": "https"}, key=gateway.key).headers["set-cookie"]
        )
        cookie = given.headers["set-cookie"].split(";")[0]
    assert stat.S_IMODE(secret_of(path).stat().st_mode) == 0o600
    with serving(path, with_api=False) as later:
        assert ask(later, "GET", "/runs", {"cookie": cookie}).status == 200


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\n/x", ""]
)
def test_signing_in_never_leads_to_another_site(path: Path, to: str) -> None:
    with serving(path, with_api=False) as gateway:
        assert ask(gateway, "POST", "/sign-in", key=gateway.key, to=to).headers["location"] == "/"


def test_a_wrong_key_forgets_neither_where_a_person_wanted_to_go_nor_to_stay_on_this_site(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        for to, kept in (("/runs?failed=1&limit=5", "/runs?failed=1&amp;limit=5"), ("//evil.example", "/")):
            refused = ask(gateway, "POST", "/sign-in", key="gp_wrong", to=to)
            assert refused.status == 401 and f'name="to" value="{kept}"' in refused.text


def test_a_forged_cookie_and_one_of_a_revoked_key_open_nothing(path: Path) -> None:
    key = make_key(path, "rate", holder="bob")
    with serving(path, with_api=False) as gateway:
        cookie = cookie_of(gateway, key)
        value = cookie.removeprefix(f"{COOKIE}=")
        id, issued, nonce, signature = value.split(".")
        forged = [
            f"{id}.{int(issued) + 1}.{nonce}.{signature}",
            f"{id}.{issued}.{nonce}.",
            "...",
            "a.b.c.d",
            "x",
            "\u00e9",
        ]
        for attempt in forged:
            given = {"cookie": f"{COOKIE}={attempt}".encode().decode("latin-1")}
            assert ask(gateway, "GET", "/runs", given).status == 303
        assert ask(gateway, "GET", "/runs", {"cookie": cookie}).status == 200
    output("keys", "revoke", id[:8], "--reason", "left", db=path)
    with serving(path, with_api=False) as gateway:
        assert ask(gateway, "GET", "/runs", {"cookie": cookie}).status == 303


def test_after_many_wrong_keys_only_a_valid_one_is_let_in(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        for _ in range(MOST_FAILURES):
            assert ask(gateway, "POST", "/sign-in", key="gp_wrong").status == 401
        refused = ask(gateway, "POST", "/sign-in", key="gp_wrong")
        assert refused.status == 429 and 0 < int(refused.headers["retry-after"]) <= 60
        assert "too many wrong keys" in refused.text
        assert ask(gateway, "POST", "/sign-in", key=gateway.key).status == 303


def test_a_minute_later_keys_are_read_again(tmp_path: Path) -> None:
    now = [1000.0]
    door = Door(dict, tmp_path / "secret", clock=lambda: now[0])
    said = []
    for wait_s in [0.0] * (MOST_FAILURES + 1) + [61.0]:
        now[0] += wait_s
        with pytest.raises(Exception, match="key") as caught:
            door.sign_in("wrong", "10.0.0.1")
        said.append(getattr(caught.value, "status", 0))
    assert said == [401] * MOST_FAILURES + [429, 401]


def test_a_form_needs_the_token_of_its_visitor_and_comes_from_here(path: Path) -> None:
    keys = {name: make_key(path, "rate", holder=name) for name in ("bob", "cem")}
    with serving(path, with_api=False) as gateway:
        cookies = {name: {"cookie": cookie_of(gateway, key)} for name, key in keys.items()}
        address = ask(gateway, "GET", "/rate", cookies["bob"]).headers["location"]
        token = token_of(gateway, cookies["bob"]["cookie"], address)
        host = urlsplit(gateway.url).netloc
        refused = [
            ask(gateway, "POST", address, cookies["bob"], stars="5"),
            ask(gateway, "POST", address, cookies["bob"], stars="5", token="x" * 64),
            ask(gateway, "POST", address, cookies["cem"], stars="5", token=token),
            ask(gateway, "POST", address, {**cookies["bob"], "origin": "http://evil.example"}, stars="5", token=token),
            ask(gateway, "POST", address, {**cookies["bob"], "origin": "null"}, stars="5", token=token),
            ask(gateway, "POST", address, {**cookies["bob"], "sec-fetch-site": "cross-site"}, stars="5", token=token),
            ask(gateway, "POST", address, {**cookies["bob"], "sec-fetch-site": "same-site"}, stars="5", token=token),
        ]
        assert [reply.status for reply in refused] == [403] * len(refused)
        assert not lines(path, "--event", "TaskRated")
        fine = {**cookies["bob"], "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
        assert ask(gateway, "POST", address, fine, stars="5", token=token).status == 303
    assert [row["actor"] for row in lines(path, "--event", "TaskRated")] == ["bob"]


def test_a_key_without_the_scope_sees_no_page(path: Path) -> None:
    keys = {scope: make_key(path, scope, holder="bob") for scope in ("infer", "admin")}
    with serving(path, with_api=False) as gateway:
        asker = {"cookie": cookie_of(gateway, keys["infer"])}
        assert ask(gateway, "GET", "/runs", asker).status == 403
        admin = {"cookie": cookie_of(gateway, keys["admin"])}
        assert ask(gateway, "GET", "/runs", admin).status == 200
        assert ask(gateway, "GET", "/rate", admin).status == 403


def test_a_program_with_a_key_reads_pages_as_json_and_rates_without_a_cookie(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        bearer = {"authorization": f"Bearer {gateway.key}", "accept": "application/json"}
        site = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
        _, _, runs = site.ask("/runs", headers=bearer)
        [run] = runs["runs"]
        assert run["task"] == "click-button" and runs["seen"] == 1
        _, _, shown = site.ask(f"/runs/{run['id'][:8]}", headers=bearer)
        assert [event["event"] for event in shown["events"]] == ["TaskStarted", "StepTaken", "TaskSucceeded"]
        assert ask(gateway, "POST", f"/rate/{run['id']}", bearer, stars="4").status == 200
        assert ask(gateway, "GET", "/runs?format=json", {"authorization": "Bearer gp_wrong"}).status == 401
    assert [row["data"]["stars"] for row in lines(path, "--event", "TaskRated")] == [4]


def test_every_page_has_a_strict_policy_and_no_secret(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        cookie = cookie_of(gateway, gateway.key)
        for page in ("/", "/runs", "/sign-in", "/runs/ffffffff"):
            reply = ask(gateway, "GET", page, {"cookie": cookie})
            policy = reply.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
            assert reply.headers["x-content-type-options"] == "nosniff" and reply.headers["cache-control"] == "no-store"
            assert gateway.key not in reply.text and cookie.split("=")[1] not in reply.text
    secret = secret_of(path).read_bytes()
    assert secret not in path.read_bytes() and gateway.key.encode() not in path.read_bytes()


def test_a_page_asked_for_under_another_name_is_refused(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        assert ask(gateway, "GET", "/sign-in", {"host": "evil.example"}).status == 403


@pytest.mark.parametrize(
    "name", ["../rendering.py", "..%2frendering.py", "%2e%2e/site.py", "pages.css%00", "PAGES.CSS", "nothing.css"]
)
def test_no_other_file_is_served_as_a_part_of_a_page(path: Path, name: str) -> None:
    with serving(path, with_api=False) as gateway:
        assert ask(gateway, "GET", f"/static/{name}").status == 404


def test_a_form_that_is_too_long_or_no_form_is_refused(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        cookie = {"cookie": cookie_of(gateway, gateway.key)}
        address = ask(gateway, "GET", "/rate", cookie).headers["location"]
        assert ask(gateway, "POST", address, cookie, comment="x" * 2**20).status == 413
        assert ask(gateway, "POST", address, {**cookie, "content-type": "text/plain"}).status == 415
        assert ask(gateway, "POST", address, cookie, **{f"f{n}": "1" for n in range(MOST_FIELDS + 1)}).status == 400
        assert ask(gateway, "POST", address, {**cookie, "content-type": "application/json"}, stars="1").status == 400


def test_a_damaged_secret_is_replaced_and_all_sign_in_again(path: Path) -> None:
    with serving(path, with_api=False) as gateway:
        cookie = cookie_of(gateway, gateway.key)
    secret_of(path).write_bytes(b"short")
    with serving(path, with_api=False) as gateway:
        assert ask(gateway, "GET", "/runs", {"cookie": cookie}).status == 303
        assert ask(gateway, "GET", "/runs", {"cookie": cookie_of(gateway, gateway.key)}).status == 200


@pytest.mark.parametrize(
    "cookie",
    [
        f"{COOKIE}=\xff",
        f"{COOKIE}=\xe9\xa0.1.2.3",
        "grokputer_said=%7B%22message%22%3A%22x%22%2C%22undo%22%3A5%7D",
        "grokputer_said=%7B%22message%22%3A%7B%7D%2C%22undo%22%3A%22%22%7D",
        "grokputer_said=" + "%5B" * 2000,
        "grokputer_said=1",
    ],
)
def test_odd_cookies_of_others_break_no_page(path: Path, cookie: str) -> None:
    with serving(path, with_api=False) as gateway:
        signed_in = cookie_of(gateway, gateway.key)
        assert ask(gateway, "GET", "/sign-in", {"cookie": cookie}).status == 200
        assert ask(gateway, "GET", "/runs", {"cookie": cookie}).status == 303
        assert ask(gateway, "GET", "/live", {"cookie": cookie}).status == 401
        assert ask(gateway, "GET", "/runs", {"cookie": f"{signed_in}; {cookie}"}).status in (200, 303)


def test_a_form_that_does_not_come_is_not_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "BODY_S", 0.2)
    with serving(path, with_api=False) as gateway, closing(HTTPConnection(urlsplit(gateway.url).netloc)) as connection:
        connection.putrequest("POST", "/sign-in")
        connection.putheader("content-type", "application/x-www-form-urlencoded")
        connection.putheader("content-length", "1000000")
        connection.endheaders(b"key=")
        assert connection.getresponse().status == 408


@pytest.mark.parametrize("key", ["model.endpoint", "action.model.endpoint", "alert.webhook", "model.trust_remote_code"])
def test_where_keys_are_sent_is_not_decided_over_http(path: Path, key: str) -> None:
    with serving(path, with_api=False) as gateway:
        bearer = {"authorization": f"Bearer {gateway.key}", "accept": "application/json"}
        refused = ask(gateway, "POST", "/settings", bearer, key=key, value="http://evil.example/v1", reason="mine")
    assert refused.status in (400, 404, 409)
    assert not [row for row in lines(path, "--event", "PolicyChanged") if row["data"]["key"] == key]
