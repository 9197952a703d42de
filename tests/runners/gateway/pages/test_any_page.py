"""Whatever is asked for, no page fails: every address with odd names, odd queries and odd forms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote, urlencode

import pytest
from command_line import lines
from gateways import Served, serving

from grokputer.projections.state.state import State
from grokputer.runners.gateway.pages.addresses import PAGES
from grokputer.runners.store import states
from grokputer.runners.store.log import Log
from grokputer.runners.store.states import load_snapshot
from story import Story

ODD = (
    *(
        "x",
        "0",
        "-1",
        "9" * 30,
        "1e9",
        "null",
        "\u202e\u0000",
        "../..",
        "a/b",
        "<script>alert(1)</script>",
        "' OR 1=1 --",
    ),
    *("%", "{{7*7}}", "ffffffff", "2026-13-45", "2026-05-01T00:00:00+99:00", "\u00e9" * 30, "*[", "\ud7ff", "lora-v1"),
    *("action", "\U0001f600"),
)
NAMES = (
    *(
        "role",
        "task",
        "arm",
        "adapter",
        "stars",
        "issue",
        "session",
        "since",
        "until",
        "failed",
        "limit",
        "last",
        "order",
        "after",
    ),
    *(
        "before",
        "around",
        "event",
        "id",
        "actor",
        "moment",
        "search",
        "words",
        "changed",
        "format",
        "with_ratings",
        "ratings",
        "page",
    ),
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway on a log with a promotion; its URL is that of the pages."""
    story = Story(tmp_path_factory.mktemp("log") / "events.db")
    story.promote()
    story.ledger.close()
    with serving(story.path, with_api=False) as served:
        yield Served(served.url.removesuffix("/v1"), served.key, served.path)


def fill(address: str, value: str) -> str:
    parts = [quote(value, safe="") if part.startswith("{") else part for part in address.split("/")]
    return "/".join(parts)


@pytest.mark.parametrize("value", ODD)
def test_odd_names_and_queries_are_refused_or_answered(gateway: Served, value: str) -> None:
    see_all_pages(gateway, value, ["", "?" + urlencode(dict.fromkeys(NAMES, value))])


def test_a_page_reads_the_state_once(gateway: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folded state is the dearest that a page reads."""
    loaded: list[int | None] = []

    def count_and_load(log: Log, position: int | None = None) -> State:
        loaded.append(position)
        return load_snapshot(log, position)

    monkeypatch.setattr(states, "load_snapshot", count_and_load)
    run = lines(gateway.path, "--event", "TaskStarted")[0]["id"]
    training = lines(gateway.path, "--event", "TrainingRequested")[0]["id"]
    names = {"run": run, "adapter": "lora-v1", "training": training, "key": "rating.rule", "position": "9", "name": run}
    times = {}
    for method, address in PAGES:
        if method == "GET":
            asked = address.format_map(names) + ("?moment=40" if address == "/at" else "")
            for _ in range(2):  # the first time, the history of a rollout begins at an earlier state
                loaded.clear()
                status, _, said = gateway.ask(asked, headers={"accept": "application/json"})
                assert status == 200 or address == "/failures/{run}", (asked, said)
            times[address] = len(loaded)
    assert {address: number for address, number in times.items() if number > 1} == {}


@pytest.mark.slow
@pytest.mark.parametrize("value", ODD)
def test_each_odd_part_of_a_query_is_refused_or_answered(gateway: Served, value: str) -> None:
    see_all_pages(gateway, value, [f"?{urlencode({name: value})}" for name in NAMES])


def see_all_pages(gateway: Served, value: str, queries: Sequence[str]) -> None:
    for method, address in PAGES:
        for query in queries if method == "GET" else ():
            status, _, said = gateway.ask(f"{fill(address, value)}{query}", headers={"accept": "application/json"})
            assert status < 500, (address, query, said)


@pytest.mark.parametrize("value", ODD)
def test_odd_forms_are_refused_and_record_nothing(gateway: Served, value: str) -> None:
    before = len(lines(gateway.path))
    as_json = {"accept": "application/json", "content-type": "application/json"}
    fields = ("decision", "percent", "to", "key", "value", "stars", "step", "role", "token", "reason")
    for method, address in PAGES:
        if method == "POST":
            for form in (
                {},
                {name: value for name in fields if name != "reason"},
                {name: [value, value] for name in fields},
            ):
                status, _, said = gateway.ask(fill(address, value), form, headers=as_json)
                assert status < 500, (address, form, said)
    grown = [row["event"] for row in lines(gateway.path)][before:]
    assert set(grown) <= {"CycleOpened", "TrainingRequested"} if value == "action" else not grown
