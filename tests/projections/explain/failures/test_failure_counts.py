"""Counts of failures by family, issue, role, adapter and step, with small numbers worked by hand."""

from __future__ import annotations

from collections.abc import Sequence

from failing import failed, succeeded

from grokputer.projections.explain.failures.counts import (
    FailureCount,
    count_adapters,
    count_families,
    count_issues,
    count_roles,
    count_steps,
    rate_of,
)


def told(counts: Sequence[FailureCount]) -> list[tuple[str | None, int, int]]:
    """Name, failures and the known runs they are compared with."""
    return [(each.name, each.rate.failures, each.rate.known) for each in counts]


def test_the_family_with_most_failures_comes_first_and_one_without_failures_is_missing() -> None:
    runs = [
        failed(0, family="a"),
        failed(1, family="b"),
        failed(2, family="b"),
        succeeded(3, family="b"),
        succeeded(4, family="c"),
    ]
    assert told(count_families(runs)) == [("b", 2, 3), ("a", 1, 1)]


def test_a_run_with_an_unknown_outcome_is_part_of_no_rate() -> None:
    runs = [failed(0), succeeded(1, succeeded=None), succeeded(2)]
    [count] = count_families(runs)
    assert (count.rate.failures, count.rate.failed, count.rate.known, count.rate.rate) == (1, 1, 2, 0.5)


def test_an_error_that_nothing_judges_is_a_failure_and_changes_no_rate() -> None:
    runs = [failed(0, succeeded=None), failed(1), succeeded(2)]
    [count] = count_families(runs)
    assert (count.rate.failures, count.rate.failed, count.rate.known) == (2, 1, 2)


def test_failures_of_which_no_outcome_is_known_have_no_rate() -> None:
    [count] = count_families([failed(0, succeeded=None)])
    assert (count.rate.rate, count.rate.interval) == (None, None)
    assert count.to_json()["interval"] is None


def test_the_interval_is_wilsons() -> None:
    rate = rate_of([failed(0)], [failed(0), *(succeeded(at) for at in range(1, 10))])
    assert (rate.rate, rate.interval) == (0.1, (0.0179, 0.4042))


def test_a_failure_counts_for_each_issue_among_the_rated_runs() -> None:
    runs = [
        failed(0, stars=1, issues=("slow", "wrong")),
        failed(1, stars=2, issues=("wrong",)),
        succeeded(2, stars=5),
        failed(3),
        succeeded(4),
    ]
    assert told(count_issues(runs)) == [("wrong", 2, 3), ("slow", 1, 3), (None, 1, 5)]


def test_the_issue_of_a_run_that_is_no_failure_counts_for_nothing() -> None:
    assert count_issues([succeeded(0, stars=5, issues=("slow",))]) == ()


def test_a_role_at_fault_is_compared_with_the_runs_in_which_it_made_a_step() -> None:
    both = ("action", "recovery")
    runs = [
        failed(0, fault="recovery", roles=both), succeeded(1, roles=both), succeeded(2), failed(3),
        failed(4, fault=None, roles=both),
    ]  # fmt: skip
    assert told(count_roles(runs)) == [("action", 1, 5), ("recovery", 1, 3), (None, 1, 5)]


def test_an_adapter_is_compared_with_its_own_runs() -> None:
    runs = [failed(0, adapter="lora-v1"), succeeded(1, adapter="lora-v1"), failed(2), failed(3)]
    assert told(count_adapters(runs)) == [("base", 2, 2), ("lora-v1", 1, 2)]


def test_a_step_is_compared_with_the_runs_that_reached_it() -> None:
    runs = [
        failed(0, step=1, steps=1), failed(1, step=3, steps=3), failed(2, step=3, steps=4), succeeded(3, steps=2),
        failed(4, step=None, steps=0),
    ]  # fmt: skip
    assert told(count_steps(runs)) == [("3", 2, 2), ("1", 1, 4), (None, 1, 5)]


def test_no_runs_have_no_counts() -> None:
    for count in (count_families, count_issues, count_roles, count_adapters, count_steps):
        assert count([]) == ()
