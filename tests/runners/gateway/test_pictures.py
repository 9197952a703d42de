"""Pictures in requests: each is stored once under its own key, can be erased, and moves with the log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_server import completion
from command_line import call, lines, output
from gateways import RawUpstream, Served, serving

from grokputer.runners.store.log import Log

MakeLog = Callable[[str], Path]
RED, BLUE = (f"data:image/png;base64,{color}" + "A" * 400 for color in ("iVBORred", "iVBORblue"))


def ask_about(gateway: Served, *urls: str, words: str = "What is this?") -> str:
    """Ask about the pictures; the run's id."""
    parts: list[Any] = [
        {"type": "text", "text": words},
        *({"type": "image_url", "image_url": {"url": it}} for it in urls),
    ]
    status, headers, said = gateway.ask(
        "/chat/completions", {"model": "action", "messages": [{"role": "user", "content": parts}]}
    )
    assert status == 200, said
    return str(headers["x-grokputer-run"])


def stored(path: Path) -> list[str]:
    """The stored texts that are pictures."""
    with Log.open(path).reading() as connection:
        return [
            text for (text,) in connection.execute("SELECT text FROM content WHERE text LIKE 'data:%' ORDER BY text")
        ]


def test_a_picture_is_stored_once_and_prompts_refer_to_its_key(log_before: MakeLog) -> None:
    with RawUpstream(completion("red"), kind="application/json") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            first, second = ask_about(gateway, RED), ask_about(gateway, RED, BLUE, RED)
        with serving(path) as gateway:  # another process
            third = ask_about(gateway, BLUE, words="And this?")
            shown = [gateway.ask(f"/runs/{run}")[2] for run in (first, second, third)]
    assert endpoint.asked[0]["messages"][0]["content"][1]["image_url"]["url"] == RED  # upstream sees the picture itself
    assert stored(path) == sorted([BLUE, RED])
    [red], [_, blue] = (list(it["pictures"]) for it in shown[:2])
    assert [it["pictures"] for it in shown] == [{red: RED}, {red: RED, blue: BLUE}, {blue: BLUE}]
    assert shown[1]["messages"][0]["content"] == "What is this?\n" + "\n".join(
        f"[image_url {key}]" for key in (red, blue, red)
    )
    assert [event["data"]["pictures"] for event in lines(path, "--event", "PicturesKept")] == [
        [red],
        [red, blue],
        [blue],
    ]
    assert "[image_url" in call("show", first, "--full", db=path).stdout
    output("verify", db=path)


def test_an_erased_picture_leaves_nothing_and_gets_another_key_when_it_comes_again(log_before: MakeLog) -> None:
    with RawUpstream(completion("red"), kind="application/json") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            first, other = ask_about(gateway, RED), ask_about(gateway, BLUE)
        assert call("forget", first, "--reason", "private", "--yes", db=path).exit_code == 0
        assert stored(path) == [BLUE] and b"iVBORred" not in path.read_bytes()
        with Log.open(path).reading() as connection:
            assert (
                len(connection.execute("SELECT * FROM pictures").fetchall()) == 1
            )  # no digest to compare a guess with
        with serving(path) as gateway:
            again = ask_about(gateway, RED)
            keys = [list(gateway.ask(f"/runs/{run}")[2]["pictures"].items()) for run in (first, other, again)]
    assert [text for [(_, text)] in keys] == [None, BLUE, RED] and keys[0][0][0] != keys[2][0][0]
    output("verify", db=path)


def test_pictures_move_with_an_exported_log(log_before: MakeLog, tmp_path: Path) -> None:
    with RawUpstream(completion("red"), kind="application/json") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            ask_about(gateway, RED)
        output("log", "export", str(tmp_path / "events.jsonl"), db=path)
        moved = tmp_path / "moved.db"
        output("log", "import", str(tmp_path / "events.jsonl"), db=moved)
        assert stored(moved) == [RED]
        with serving(moved) as gateway:
            ask_about(gateway, BLUE)
    assert stored(moved) == sorted([BLUE, RED])
    output("verify", db=moved)


def test_a_picture_elsewhere_is_named_and_never_fetched(log_before: MakeLog) -> None:
    with RawUpstream(completion("red"), kind="application/json") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = ask_about(gateway, "https://pictures.invalid/red.png")
            *_, shown = gateway.ask(f"/runs/{run}")
    assert shown["messages"][0]["content"] == "What is this?\n[image_url https://pictures.invalid/red.png]"
    assert shown["pictures"] == {} and not stored(path)


def test_a_retry_with_pictures_is_the_same_run_and_another_picture_is_another_request(log_before: MakeLog) -> None:
    def body(url: str) -> dict[str, Any]:
        parts = [{"type": "image_url", "image_url": {"url": url}}]
        return {"model": "action", "messages": [{"role": "user", "content": parts}]}

    with (
        RawUpstream(completion("red"), kind="application/json") as endpoint,
        serving(log_before(endpoint.url)) as gateway,
    ):
        found = [
            gateway.ask("/chat/completions", body(it), headers={"Idempotency-Key": "k"})[0] for it in (RED, RED, BLUE)
        ]
    assert found == [200, 200, 422] and len(endpoint.asked) == 1


@pytest.mark.parametrize(
    "part", [{"type": "image_url"}, {"type": "image_url", "image_url": 7}, {"type": "input_audio"}]
)
def test_a_part_without_a_picture_stands_as_its_kind(log_before: MakeLog, part: dict[str, Any]) -> None:
    with (
        RawUpstream(completion("red"), kind="application/json") as endpoint,
        serving(log_before(endpoint.url)) as gateway,
    ):
        message = {"role": "user", "content": [part]}
        _, headers, _ = gateway.ask("/chat/completions", {"model": "action", "messages": [message]})
        *_, shown = gateway.ask(f"/runs/{headers['x-grokputer-run']}")
    assert shown["messages"][0]["content"] == f"[{part['type']}]"
