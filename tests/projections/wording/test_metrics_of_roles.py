"""The metrics of the roles in words: shares with their targets, and why there is none."""

from __future__ import annotations

from pathlib import Path

from played import Played, repeat

from given import SOMEONE
from grokputer.domain.settings.settings import Policy
from grokputer.projections.wording.role_metrics import describe_metric, role_metrics
from grokputer.runners.use_cases.overview import view_status
from story import Story


def test_a_log_without_runs_has_no_metrics_and_says_why() -> None:
    for role, metric in role_metrics(Played().state.role_metrics).items():
        assert (metric.value, metric.is_met) == (None, None)
        assert describe_metric(role, metric).startswith(f"{role}, {metric.name}: -, no ")


def test_every_metric_is_one_line_with_its_share_its_cases_and_its_target() -> None:
    played = Played()
    for _ in range(1000):
        played.play("action!", "recovery", *repeat("action", 8))
    said = {role: describe_metric(role, metric) for role, metric in role_metrics(played.state.role_metrics).items()}
    assert said["action"] == "action, first action right: 0.0 % of 1000 runs, target 85 %"
    assert said["recovery"] == "recovery, failed steps recovered from: 100.0 % of 1000 failed steps, target 75 %"
    assert said["ocr"] == "ocr, score of the words used: -, no act has named words that were read"
    assert said["decomposition"].startswith("decomposition, runs of 5 steps or more done within 10 s: ")
    assert said["decomposition"].endswith(" % of 1000 runs, target 80 %")
    assert max(map(len, said.values())) <= 90


def test_the_metric_of_reading_is_the_mean_score_of_the_words_that_acts_named() -> None:
    played = Played()
    run = played.begin()
    played.step(run, "action", confidence=0.9)
    played.step(run, "action", confidence=0.97)
    run.succeed(900, 1.0, Policy(), SOMEONE)
    played.take(run)
    ocr = role_metrics(played.state.role_metrics)["ocr"]
    assert (ocr.value, ocr.is_met) == (0.935, True)
    assert describe_metric("ocr", ocr) == "ocr, score of the words used: 93.5 % over 2 acts, target 92 %"


def test_a_metric_is_met_from_its_target_on() -> None:
    played = Played()
    for number in range(20):
        played.play("action!" if number < 3 else "action")
        action = role_metrics(played.state.role_metrics)["action"]
        assert action.is_met is (number == 19), "17 of 20 are the target, 85 %"


def test_the_status_of_a_log_has_the_metric_of_each_role(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    for succeeds in (True, True, True, False):
        story.run(succeeds=succeeds)
    metric = view_status(story.ledger).role("action").metric
    assert (metric.value, metric.cases, metric.of) == (0.75, 4, "4 runs")
