"""Pictures and sounds at addresses of their own: who gets them, as what type, and what is never served."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Iterator, Mapping
from urllib.error import HTTPError

import pytest
from chat_server import ChatServer
from gateways import Served, make_key, serving

from grokputer.domain.page.media import write_url
from grokputer.domain.vocabulary import Scope
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases.runs import TaskRequest, run_task
from grokputer.runners.use_cases.settings import change_setting
from grokputer.runners.wiring.services import Services

PNG = b"\x89PNG\r\n\x1a\n" + b"\1" * 40
MP3 = b"ID3\x04" + b"\2" * 20
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"

OTHER_KEYS: dict[Scope, str] = {}
"""Keys of the gateway for one thing alone."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str, list[str]]]:
    """A gateway, a run with a picture, a sound and what only claims to be a picture, and the keys of these three."""
    path = tmp_path_factory.mktemp("shown") / "events.db"
    ledger = Ledger.create(path)
    claimed = f"data:image/svg+xml;base64,{base64.b64encode(SVG).decode()}"
    with ChatServer("A square.") as server:
        for key, value in {"model.backend": "openai", "model.endpoint": server.url, "model.base": "eyes"}.items():
            change_setting(ledger, key, value, actor="ada")
        with Services(ledger, load_state(ledger)) as services:
            request = TaskRequest("What is this?", inputs=(write_url(PNG), write_url(MP3), claimed))
            run = run_task(ledger, services, request, actor="ada").outcome.run
    from grokputer.domain.aggregates.run import TaskRun

    keys = list(ledger.get(TaskRun, run).pictures)
    ledger.close()
    OTHER_KEYS.update({scope: make_key(path, scope) for scope in (Scope.INFER, Scope.RATE)})
    with serving(path) as gateway:
        yield gateway, run.hex, keys


def get(gateway: Served, path: str, key: str | None = "") -> tuple[int, Mapping[str, str], bytes]:
    """The answer of the pages to a program with the key; an empty one is the gateway's own, None sends none."""
    headers = {"accept": "image/*"} | ({} if key is None else {"authorization": f"Bearer {key or gateway.key}"})
    site = gateway.url.removesuffix("/v1")
    opener = urllib.request.build_opener(NoRedirects)
    try:
        with opener.open(urllib.request.Request(f"{site}{path}", headers=headers)) as response:
            return response.status, dict(response.headers), response.read()
    except HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *given: object) -> None:
        return None


@pytest.mark.parametrize(("number", "body", "kind"), [(0, PNG, "image/png"), (1, MP3, "audio/mpeg")])
def test_a_picture_and_a_sound_are_served_as_what_they_are(
    shown: tuple[Served, str, list[str]], number: int, body: bytes, kind: str
) -> None:
    gateway, run, keys = shown
    status, headers, got = get(gateway, f"/runs/{run}/media/{keys[number]}")
    assert (status, got, headers["Content-Type"]) == (200, body, kind)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "public" not in headers["cache-control"]


def test_what_only_claims_to_be_a_picture_is_never_served(shown: tuple[Served, str, list[str]]) -> None:
    gateway, run, keys = shown
    status, _, got = get(gateway, f"/runs/{run}/media/{keys[2]}")
    assert status == 404 and b"<svg" not in got and b"alert(1)" not in got


def test_other_texts_of_the_log_are_no_media(shown: tuple[Served, str, list[str]]) -> None:
    gateway, run, keys = shown
    ledger = Ledger.open(gateway.path)
    [task] = [it.event.task for it in ledger.read(topics=("TaskStarted",)) if hasattr(it.event, "task")]
    ledger.close()
    for key in (task, "sha256:" + "0" * 64, "..", "x"):
        assert get(gateway, f"/runs/{run}/media/{key}")[0] == 404
    assert get(gateway, f"/runs/{'0' * 32}/media/{keys[0]}")[0] == 404


def test_strangers_and_keys_for_other_things_get_no_picture(shown: tuple[Served, str, list[str]]) -> None:
    gateway, run, keys = shown
    address = f"/runs/{run}/media/{keys[0]}"
    assert get(gateway, address, None)[0] == 303  # to the door
    assert get(gateway, address, "wrong")[0] == 401
    assert get(gateway, address, OTHER_KEYS[Scope.INFER])[0] == 403
    assert get(gateway, address, OTHER_KEYS[Scope.RATE])[0] == 200


def test_the_page_of_a_run_names_the_addresses_and_has_no_picture_in_it(shown: tuple[Served, str, list[str]]) -> None:
    gateway, run, keys = shown
    status, headers, body = get(gateway, f"/runs/{run}")
    page = body.decode()
    assert status == 200 and "data:image" not in page
    assert f'<img src="/runs/{run}/media/{keys[0]}"' in page
    assert f'<audio controls preload="none" src="/runs/{run}/media/{keys[1]}"' in page
    assert "img-src 'self';" in headers["content-security-policy"]
    assert "[picture " in page and "[image_url" not in page
