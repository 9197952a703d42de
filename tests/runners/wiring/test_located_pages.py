"""A task in words with a URL is done on that page, with the hosts that the command and the settings allow."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import call

from grokputer.domain.errors import GrokputerError, NotPossible
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.use_cases.runs import TaskRequest, _plan
from grokputer.runners.wiring.environments import locate_page
from story import Story


def test_hosts_to_allow_without_a_page_are_refused_before_anything_is_played(tmp_path: Path) -> None:
    refused = call("run", "Find tea", "--allow-domain", "x.test", "--no-feedback", db=tmp_path / "events.db")
    assert refused.exit_code == 2 and "--allow-domain" in refused.output
    assert not (tmp_path / "events.db").exists()


def test_the_hosts_of_the_command_and_of_the_setting_stand_in_the_task(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.set("environment.allow_domains", "cdn.test, fonts.test:8443")
    request = TaskRequest("Buy  tea", url="https://a.test/shop", allow=("pay.test",), seed=1)
    _, plan = _plan(story.ledger, process_new_events(story.ledger), request)
    assert plan.environment == "browse"
    assert plan.task == "https://a.test/shop +pay.test +cdn.test +fonts.test:8443 Buy  tea"


@pytest.mark.parametrize("environment", ["shell", "chat", "miniwob"])
def test_a_url_goes_with_no_environment_that_has_tasks_of_its_own(environment: str) -> None:
    with pytest.raises(NotPossible, match=f"a URL goes with a task in words, and {environment} has tasks of its own"):
        locate_page(environment, "https://a.test/", "Buy tea", [])


@pytest.mark.parametrize(
    ("url", "host"), [("a.test", "b.test"), ("https://a.test/", "b test"), ("https://u:p@a.test/", "b")]
)
def test_a_url_or_a_host_that_is_none_is_one_line(url: str, host: str) -> None:
    with pytest.raises(GrokputerError) as refused:
        locate_page(None, url, "Buy tea", [host])
    assert "\n" not in str(refused.value)
