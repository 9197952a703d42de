"""What a training takes, told before it, and what it cost, told after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import call, count, document, output
from tiny_base import click_examples, job

from grokputer.adapters.training.cost import (
    Estimate,
    Plan,
    Trial,
    batch_tokens,
    estimate_duration_s,
    plan_probe,
    scale,
)
from grokputer.adapters.training.probe import probe
from grokputer.domain.rules.cost import Prices
from grokputer.domain.settings.recipe import Recipe
from grokputer.domain.settings.settings import Policy
from story import Story

# After a training


def test_energy_is_power_times_time_and_money_is_energy_and_rent() -> None:
    prices = Prices.of(Policy({"cost.power_watts": 500.0, "cost.price_per_kwh": 0.4, "cost.price_per_hour": 2.0}))
    cost = prices.cost(1800)
    assert (cost.energy_kwh, cost.money) == (0.25, 0.25 * 0.4 + 1.0)
    assert str(cost) == "0.25 kWh, 1.10 EUR"


def test_a_price_below_the_cent_is_told_all_the_same() -> None:
    assert Prices(100.0, 0.29, 0.0, "EUR").cost(187).price == "0.0015 EUR"


def test_a_training_is_charged_at_the_prices_in_force_when_it_was_completed(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    training = story.fall()
    output("settings", "set", "cost.power_watts", "360", db=story.path)
    output("settings", "set", "cost.price_per_kwh", "8", db=story.path)
    story.train(training)  # 12.5 s
    output("settings", "set", "cost.price_per_kwh", "1000", db=story.path)
    assert "0.00125 kWh, 0.01 EUR" in output("why", "lora-v1", db=story.path)
    [adapter] = document("adapters", db=story.path)
    assert adapter["cost"] == {"energy_kwh": 0.00125, "money": 0.01, "currency": "EUR"}
    assert adapter["duration_s"] == 12.5
    assert "0.01 EUR" in output("adapters", db=story.path)


# The arithmetic before it


def test_steps_are_counted_as_the_trainer_counts_them() -> None:
    recipe = Recipe(batch=4, accumulation=4, epochs=3)
    assert [recipe.steps(rows) for rows in (1, 16, 17, 64, 65)] == [3, 3, 6, 12, 15]


def test_a_padded_batch_is_as_wide_as_its_longest_row_needs() -> None:
    assert batch_tokens([3, 5, 4], is_padded=True) == 3 * 32
    assert batch_tokens([3, 33, 4], is_padded=True) == 3 * 64
    assert batch_tokens([3, 5, 4], is_padded=False) == 12


def test_a_probe_meets_each_width_then_the_longest_rows_and_times_typical_ones() -> None:
    lengths = [20] * 40 + [50] * 22 + [190, 180]  # 32 and 64 wide, and the longest
    plan = plan_probe(lengths, Recipe(batch=2, accumulation=2, epochs=3), typical=3)
    steps = [plan.order[start : start + 4] for start in range(0, len(plan.order), 4)]
    assert plan.untimed == 2
    assert len(steps) == len(plan.step_tokens) == 5
    assert steps[1] == (62, 63, 62, 63)
    assert plan.step_tokens[:2] == (2 * 32 + 2 * 64, 2 * 2 * 192)
    assert plan.steps == 3 * 16
    assert sum(plan.step_tokens[2:]) / 3 == pytest.approx(plan.mean_tokens, rel=0.25)


def test_a_dataset_smaller_than_a_batch_can_be_probed() -> None:
    plan = plan_probe([7, 5], Recipe(batch=4, accumulation=1), typical=1)
    assert len(plan.order) == 3 * 4
    assert plan.step_tokens == (128, 128, 128)
    assert plan.mean_tokens == 64


def test_the_pieces_of_an_estimate_add_up() -> None:
    plan = Plan(order=(), step_tokens=(100, 400, 100, 120, 100), untimed=2, steps=30, mean_tokens=105.0)
    trial = Trial(step_s=(5.0, 9.0, 1.0, 1.2, 8.0), fixed_s=8.0, save_s=0.5)
    # 0.01 s a token; 4 s to warm up; checkpoints after 10, 20 and 30 steps, the last one within what is done once
    assert estimate_duration_s(plan, trial, Recipe(checkpoint_steps=10)) == pytest.approx(8 + 4 + 30 * 1.05 + 2 * 0.5)


def test_an_estimate_from_an_earlier_training_is_in_proportion() -> None:
    measured = Estimate(160, None, 4000, 40, 100.0, 10**9, "cpu", "in proportion")
    found = scale(measured, 320, Recipe(batch=4, accumulation=4, epochs=4))
    assert (found.examples, found.tokens, found.steps, found.duration_s) == (320, 8000, 80, 200.0)
    assert found.peak_memory_bytes == 10**9


# The probe and the command


def test_a_probe_of_a_real_training_says_what_the_whole_of_it_is(tiny_base: Path, tmp_path: Path) -> None:
    spec = job(tmp_path, tiny_base, click_examples(40), Recipe(batch=4, accumulation=2, epochs=3, max_length=64))
    found = probe(spec)
    assert (found.examples, found.left_out, found.steps, found.device) == (40, 0, 15, "cpu")
    assert found.tokens is not None and 40 * 20 < found.tokens < 40 * 64
    assert found.duration_s is not None and found.duration_s > 0
    assert found.peak_memory_bytes is not None and found.peak_memory_bytes > 100_000_000
    assert found.basis.endswith("steps measured on this machine")
    assert list(spec.directory.iterdir()) == []


def test_a_dry_run_tells_examples_steps_time_and_money_and_records_nothing(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    output("settings", "set", "training.held_out_share", "0", db=story.path)
    story.promote()
    before = count(story.path)
    found = document("train", "action", "--dry-run", "--no-probe", db=story.path)
    assert count(story.path) == before
    assert found["declined"] is None
    assert found["estimate"]["steps"] > 0
    assert "in proportion to training" in found["estimate"]["basis"]
    assert found["cost"]["money"] > 0
    told = output("train", "--dry-run", "--no-probe", db=story.path)
    for line in ("optimiser steps", "peak memory", "energy", "money"):
        assert line in told


def test_json_without_a_dry_run_is_a_usage_error(tmp_path: Path) -> None:
    assert call("train", "--json", db=tmp_path / "events.db").exit_code == 2


def test_a_dry_run_says_what_would_be_tried_again_before_it(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    output("settings", "set", "training.held_out_share", "0", db=story.path)
    story.fall()
    for _ in range(2):
        story.rate(story.run(succeeds=False), 1)
    output("settings", "set", "training.retries", "3", db=story.path)
    found = document("train", "action", "--dry-run", "--no-probe", db=story.path)
    assert found["tried_first"] == {"runs": 2, "times": 3, "practice_pages": 0}
    assert "2 failed runs without a correction" in output("train", "action", "--dry-run", "--no-probe", db=story.path)
    output("settings", "set", "training.practice", "6", db=story.path)
    assert "6 fresh pages of each task that failed" in output("train", "--dry-run", "--no-probe", db=story.path)
