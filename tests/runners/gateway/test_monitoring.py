"""The rules and the dashboard in ``deploy/``, asked of a real Prometheus that scrapes a real gateway, and Alertmanager."""

from __future__ import annotations

import json
import re
import urllib.request
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from full_disk import full_disk
from gateways import Served, serving
from monitoring import DEPLOY, alertmanager, checked, get, prometheus, query, until

from grokputer.runners.store.sqlite.connection import connect
from grokputer.runners.use_cases.settings import change_setting
from story import Story

RULES = (DEPLOY / "prometheus/rules.yml").read_text()
SELECTOR = re.compile(r"\b(?:up|grokputer_\w+|gen_ai_\w+|process_\w+)\b(?:\{[^}]*\})?")
METRIC = re.compile(r"\b(?:grokputer|gen_ai|process)_\w+")

FIRING = {"GrokputerMeanRatingLow", "GrokputerCanaryFailing", "GrokputerWorkerBehind"}
"""The alerts that the log below gives reason for."""


def panels() -> list[tuple[str, str]]:
    """The title and the expression of every target of the dashboard."""
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    return [(panel["title"], it["expr"]) for panel in dashboard["panels"] for it in panel.get("targets", ())]


def expressions() -> list[str]:
    """The expressions of the rules."""
    found = re.findall(r"expr: (?:>-\n)?(.*?)(?=\n +(?:for|labels):)", RULES, re.DOTALL)
    return [" ".join(it.split()) for it in found]


def asks(expression: str) -> str:
    """The expression of a panel, as Grafana asks it."""
    return expression.replace("$job", "grokputer").replace("$__rate_interval", "20s")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A log with all that the dashboard shows: an adapter that is live with bad ratings, a canary that failed, one that is
    undecided, and a training that no worker does."""
    story = Story(tmp_path / "events.db")
    for key, value in {"canary.rule": "sequential", "cost.prompt_price": 2.0, "cost.answer_price": 8.0}.items():
        story.set(key, value)
    story.promote()
    for number in range(12):
        story.rate(story.run(succeeds=number % 4 == 0), 2)
    story.set("canary.rule", "threshold")
    story.assess(story.prove(story.train(story.training())), "roll back", "success")
    story.set("canary.rule", "sequential")
    story.prove(story.train(story.ask(role="ocr")))
    story.ask(role="decomposition")
    return story


@pytest.mark.slow
def test_every_expression_gives_series_of_a_played_log_and_alertmanager_gets_every_alert(
    story: Story, tmp_path: Path
) -> None:
    with ChatServer("Paris", ["tiny", "lora-v1"], streams=True) as endpoint:
        for key, value in {"model.backend": "openai", "model.endpoint": endpoint.url, "model.base": "tiny"}.items():
            change_setting(story.ledger, key, value, actor="ada")
        story.ledger.close()
        with (
            serving(story.path) as gateway,
            alertmanager(tmp_path) as alerts,
            prometheus(tmp_path, gateway.url.removesuffix("/v1"), gateway.key, alerts) as address,
        ):
            checked("promtool", "check", "metrics", given=scrape(gateway))
            for title, expression in panels():
                watch(gateway, address, asks(expression), title)
            for selector in (found for it in expressions() for found in SELECTOR.findall(it)):
                watch(gateway, address, selector, "a rule")
            until(lambda: raised(alerts) >= FIRING, f"{FIRING} arrive")
            assert "GrokputerLogNotWritable" not in raised(alerts)
            with closing(connect(story.path)) as connection:  # else there is room in the write-ahead log
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            ask(gateway, stream=False)
            with full_disk(story.path):
                assert gateway.ask("/chat/completions", question(stream=False))[0] == 503
                until(lambda: "GrokputerLogNotWritable" in raised(alerts), "the alert of a full disk")


def watch(gateway: Served, address: str, expression: str, where: str) -> None:
    """Ask the gateway, both ways, until Prometheus has numbers for the expression."""
    streams = cycle([True, False])
    until(lambda: ask(gateway, next(streams)) and query(address, expression), f"{where}: {expression}")


def question(*, stream: bool) -> dict[str, Any]:
    return {"model": "action", "stream": stream, "messages": [{"role": "user", "content": "Capital of France?"}]}


def ask(gateway: Served, stream: bool) -> bool:
    """Ask the gateway, so that its rates are not 0."""
    body, key = json.dumps(question(stream=stream)).encode(), {"authorization": f"Bearer {gateway.key}"}
    with urllib.request.urlopen(urllib.request.Request(f"{gateway.url}/chat/completions", body, key)) as response:
        return bool(response.read())


def scrape(gateway: Served) -> str:
    url, key = gateway.url.removesuffix("/v1") + "/metrics", {"authorization": f"Bearer {gateway.key}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=key)) as response:
        return str(response.read().decode())


def raised(alerts: str) -> set[str]:
    """The names of the alerts that Alertmanager has."""
    return {alert["labels"]["alertname"] for alert in get(f"{alerts}/api/v2/alerts?active=true")}


@pytest.mark.slow
def test_the_rules_are_well_formed_and_raise_what_their_tests_say() -> None:
    folder = DEPLOY / "prometheus"
    assert "5 rules found" in checked("promtool", "check", "rules", "rules.yml", cwd=folder)
    assert "SUCCESS" in checked("promtool", "test", "rules", "rules_test.yml", cwd=folder)
    assert "SUCCESS" in checked("amtool", "check-config", "alertmanager/alertmanager.yml")


def test_the_dashboard_and_the_rules_name_metrics_that_the_gateway_exports(story: Story) -> None:
    story.ledger.close()
    with ChatServer("Paris", ["tiny"]), serving(story.path) as gateway:
        text = scrape(gateway)
    exported = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    named = {
        name for it in [*(expression for _, expression in panels()), *expressions()] for name in METRIC.findall(it)
    }
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in exported else name for name in named}
    assert len(bare) > 30
    assert bare <= exported | {"gen_ai_token_type", "gen_ai_request_model", "gen_ai_provider_name"}


def test_every_panel_lies_beside_the_others_and_has_a_number_of_its_own() -> None:
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    places = [
        (x, y)
        for panel in dashboard["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) == 23
