"""Whatever is asked for, no page fails: every address with odd names, odd queries and odd forms."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote, urlencode

import pytest
from command_line import lines
from gateways import Served, serving
from places import TESTS

from grokputer.domain.errors import MissingExtra
from grokputer.projections.state.state import State
from grokputer.runners.gateway.pages.addresses import PAGES
from grokputer.runners.gateway.site.visit import Page
from grokputer.runners.store import states
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.store.states import load_snapshot
from grokputer.runners.use_cases.settings import change_setting
from story import Story

ODD = (
    "x", "-1", "9" * 30, "\u202e\u0000", "../..", "<script>alert(1)</script>", "2026-05-01T00:00:00+99:00", "\ud7ff", "lora-v1",
    "action",
)  # fmt: skip
"""One value of each kind that a page may take a name, a number, a path or a time for."""
ODDER = (
    "0", "1e9", "null", "a/b", "' OR 1=1 --", "%", "{{7*7}}", "ffffffff", "2026-13-45", "\u00e9" * 30, "*[", "\U0001f600",
)  # fmt: skip
VALUES = (*ODD, *(pytest.param(value, marks=pytest.mark.slow) for value in ODDER))


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


@pytest.mark.parametrize("value", VALUES)
def test_odd_names_and_queries_are_refused_or_answered(gateway: Served, value: str) -> None:
    see_all_pages(gateway, value, lambda page: ["", "?" + urlencode(dict.fromkeys(page.query, value))])


@pytest.mark.parametrize(
    ("address", "form", "field"),
    [
        ("/trainings", {"role": "ocr"}, "reason"),
        ("/rollouts/lora-v1", {"decision": "pause"}, "reason"),
        ("/rollouts/lora-v1", {"decision": "pause", "reason": "x" * 20_001}, "reason"),
        ("/rollouts/lora-v1", {"decision": "explode", "reason": "x"}, "decision"),
        ("/rollouts/lora-v1", {"decision": "share", "reason": "x"}, "percent"),
        ("/rollouts/lora-v1", {"decision": "share", "reason": "x", "percent": 100}, "percent"),
        ("/settings", {"key": "rating.window", "value": "30"}, "reason"),
        ("/settings", {"key": "rating.window", "reason": "x"}, "value"),
        ("/settings", {"key": "rating.window", "value": "\u0663", "reason": "x"}, "value"),
        ("/settings", {"key": "rating.window", "value": "5_0", "reason": "x"}, "value"),
        ("/settings", {"key": "rating.windows", "value": "3", "reason": "x"}, "key"),
        ("/settings", {"key": "rating.window", "value": "30", "reason": "x", "colour": "red"}, "colour"),
        ("/settings", {"key": "rating.window", "value": 30.5, "reason": "x"}, "value"),
        ("/rate/RUN", {"stars": ""}, "stars"),
        ("/rate/RUN", {"stars": 2, "comment": "x" * 4001}, "comment"),
        ("/rate/RUN", {"stars": 2, "issue": "x" * 101}, "issue"),
        ("/rate/RUN", {"stars": 2, "step": 99}, "step"),
    ],
)
def test_a_form_in_the_wrong_form_is_400_with_its_field_and_records_nothing(
    gateway: Served, address: str, form: dict[str, object], field: str
) -> None:
    run, before = lines(gateway.path, "--event", "TaskStarted")[0]["id"], len(lines(gateway.path))
    sent = {"content-type": "application/json", "accept": "application/json"}
    status, _, said = gateway.ask(address.replace("RUN", run), form, headers=sent)
    assert (status, said["error"]["param"]) == (400, field), said
    assert len(lines(gateway.path)) == before


def test_a_setting_that_needs_a_library_that_is_missing_says_which_extra_has_it(
    gateway: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub.constants", None)
    form = {"key": "model.base", "value": "Qwen/Qwen3-8B", "reason": "x"}
    sent = {"content-type": "application/json", "accept": "application/json"}
    status, _, said = gateway.ask("/settings", form, headers=sent)
    assert (status, "install it with: pip install 'grokputer[train]'" in said["error"]["message"]) == (400, True), said
    ledger = Ledger.open(gateway.path)
    with pytest.raises(MissingExtra, match="install it with"):
        change_setting(ledger, "model.base", "Qwen/Qwen3-8B", actor="ada")
    ledger.close()


def test_an_address_that_there_is_not_is_a_page_for_a_person_and_json_for_a_program(gateway: Served) -> None:
    for address in ("/nothing", "/why/a/b", "/<script>"):
        status, headers, page = gateway.ask_text(quote(address), headers={"accept": "text/html,*/*"})
        assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "there is no page" in page and "<script>" not in page
        status, _, said = gateway.ask(quote(address))
        assert (status, said["error"]["code"]) == (404, "not_found")


def test_an_adapter_that_there_is_not_is_404_and_a_format_that_there_is_not_is_400(gateway: Served) -> None:
    for address in ("/adapters/none", "/rollouts/none"):
        assert gateway.ask(f"{address}?format=json")[0] == 404
    status, _, said = gateway.ask("/runs?format=xml", headers={"accept": "application/json"})
    assert (status, said["error"]["param"]) == (400, "format")


def test_a_key_that_is_wrong_is_told_apart_from_none(gateway: Served) -> None:
    for key, words in (("gp_wrong", "does not know the key"), (None, "needs a key")):
        status, _, said = gateway.ask("/runs?format=json", key=key)
        assert (status, words in said["error"]["message"]) == (401, True), said


def test_a_page_reads_the_state_once(gateway: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folded state is the dearest that a page reads."""
    loaded: list[int | None] = []

    def count_and_load(log: Log, position: int | None = None) -> State:
        loaded.append(position)
        return load_snapshot(log, position)

    monkeypatch.setattr(states, "load_snapshot", count_and_load)
    run = lines(gateway.path, "--event", "TaskStarted")[0]["id"]
    training = lines(gateway.path, "--event", "TrainingRequested")[0]["id"]
    names = {
        "run": run,
        "adapter": "lora-v1",
        "training": training,
        "key": "rating.rule",
        "position": "9",
        "name": run,
        "picture": "none",
    }
    times = {}
    for method, address in PAGES:
        if method == "GET":
            asked = address.format_map(names) + ("?moment=40" if address == "/at" else "")
            for _ in range(2):  # the first time, the history of a rollout begins at an earlier state
                loaded.clear()
                status, _, said = gateway.ask(asked, headers={"accept": "application/json"})
                assert status == 200 or address in ("/failures/{run}", "/runs/{run}/media/{picture}"), (asked, said)
            times[address] = len(loaded)
    assert {address: number for address, number in times.items() if number > 1} == {}


@pytest.mark.slow
@pytest.mark.parametrize("value", [*ODD, *ODDER])
def test_each_odd_part_of_a_query_is_refused_or_answered(gateway: Served, value: str) -> None:
    see_all_pages(gateway, value, lambda page: [f"?{urlencode({name: value})}" for name in (*page.query, "format")])


def see_all_pages(gateway: Served, value: str, queries: Callable[[Page], Sequence[str]]) -> None:
    for (method, address), page in PAGES.items():
        for query in queries(page) if method == "GET" else ():
            status, _, said = gateway.ask(f"{fill(address, value)}{query}", headers={"accept": "application/json"})
            assert status < 500, (address, query, said)


def test_half_a_character_in_any_field_is_refused_before_anything_is_recorded(gateway: Served) -> None:
    before = len(lines(gateway.path))
    as_json = {"accept": "application/json", "content-type": "application/json"}
    run = lines(gateway.path, "--event", "TaskStarted")[0]["id"]
    training = lines(gateway.path, "--event", "TrainingRequested")[0]["id"]
    for (method, address), page in PAGES.items():
        if method == "POST":
            whole = {
                "stars": 3,
                "reason": "it is so",
                "role": "action",
                "decision": "pause",
                "key": "rating.window",
                "value": 30,
            }
            known = {name: value for name, value in whole.items() if name in page.fields}
            for field in (*page.fields, "a\ud800"):
                form = {**known, field: "CLICK\ud800button"}
                status, _, said = gateway.ask(
                    address.format(run=run, adapter="lora-v1", training=training), form, headers=as_json
                )
                assert (status, "not valid Unicode" in said["error"]["message"]) == (400, True), (address, field, said)
    assert len(lines(gateway.path)) == before


def test_a_name_that_no_page_reads_is_refused_with_the_names_there_are(gateway: Served) -> None:
    as_json = {"accept": "application/json", "content-type": "application/json"}
    for (method, address), page in PAGES.items():
        if method == "GET":
            status, _, said = gateway.ask(f"{fill(address, '1')}?person=ada", headers=as_json)
            takes = ", ".join(sorted((*page.query, "format")))
            assert (status, said["error"]["message"]) == (
                400,
                f"'person' is no part of this page's query; it takes {takes}",
            )
        else:
            status, _, said = gateway.ask(fill(address, "1"), {"star": 1}, headers=as_json)
            assert status == 400 and said["error"]["message"].startswith("'star' is no field of this form; it takes ")


def test_the_guide_lists_what_each_page_takes() -> None:
    guide = (TESTS.parent / "docs" / "pages.md").read_text(encoding="utf-8")
    [table] = re.findall(r"^\| page \| its query takes \|\n((?:\|.*\n)+)", guide, re.M)
    told = re.findall(r"^\| `(.*?)` \| (.*`.*) \|$", table, re.M)
    takes = {address: set(re.findall(r"`(\w+)`", names)) for address, names in told}
    assert takes == {
        address: set(page.query) for (method, address), page in PAGES.items() if method == "GET" and page.query
    }


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("/runs?since=0001-01-01T00:00%2B09:00", "3d"),
        ("/runs?until=9999-12-31T23:59-09:00", "3d"),
        ("/failures?since=99999999d", "is not between the years 1 and 9999"),
        ("/failures?since=999999d", "is not between the years 1 and 9999"),
        ("/failures?last=99999999999999999999", "from 1 to"),
        ("/failures?last=%2D1", "from 1 to"),
        ("/at?moment=0001-01-01", "before the log begins"),
        ("/at?moment=9999-12-31", "is in the future"),
        ("/at?moment=0001-01-01T00:00%2B09:00", "is not between the years 1 and 9999; give 120, "),
        ("/at?moment=99999999d", "2026-05-01T14:30"),
        ("/log/0001-01-01", "before the log begins"),
    ],
)
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_the_ends_of_time_are_one_line_that_says_what_is_allowed(
    gateway: Served, query: str, says: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        status, _, said = gateway.ask(query, headers={"accept": "application/json"})
    finally:
        monkeypatch.undo()
        time.tzset()
    message = said["error"]["message"]
    assert status in (400, 404) and says in message and "\n" not in message, said


@pytest.mark.parametrize("value", VALUES)
def test_odd_forms_are_refused_and_record_nothing(gateway: Served, value: str) -> None:
    before = len(lines(gateway.path))
    as_json = {"accept": "application/json", "content-type": "application/json"}
    for (method, address), page in PAGES.items():
        fields = (*page.fields, "token")
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
