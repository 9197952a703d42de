"""A comparison of two adapters: what pairs tell, by published and hand-worked numbers, and when B is a go."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from given import SOMEONE, given
from grokputer.domain.ab.decision import Bars, judge
from grokputer.domain.ab.paired import PairedEstimate, compare_means, compare_shares, student
from grokputer.domain.ab.pairs import ArmResult, Pair, Rater, Summary
from grokputer.domain.aggregates.comparison import Comparison, Design, draw_seed
from grokputer.domain.errors import NotPossible
from grokputer.domain.events import ComparisonConcluded, ComparisonStarted, Event
from grokputer.domain.settings.settings import Policy
from grokputer.domain.verdict import Verdict
from grokputer.projections.tables.comparisons import row_of_comparison
from grokputer.projections.wording.sentences import describe
from grokputer.runners.store.codec import decode, encode

# --- what pairs tell -------------------------------------------------------------------------------------------------


def rounded(figure: PairedEstimate, digits: int = 3) -> tuple[float, ...]:
    return tuple(round(value, digits) for value in (figure.difference, figure.low, figure.high))


def test_the_interval_of_a_paired_difference_is_tangos() -> None:
    # 21 children's airways before and after a transplantation: Bentur et al. (2009), the example of Fagerland et al. (2014).
    assert rounded(compare_shares(1, 7, 1, 12)) == (-0.286, -0.517, -0.026)
    assert rounded(compare_shares(1, 1, 7, 12)) == (0.286, 0.026, 0.517)


def test_arms_that_never_differ_leave_room_for_a_difference_that_was_not_seen() -> None:
    # The score at d is sqrt(n d / (1 + d)) on each side, so that d = z^2 / (n + z^2), of 20 pairs 3.8416 / 23.8416.
    assert rounded(compare_shares(20, 0, 0, 0)) == (0.0, -0.161, 0.161)
    assert rounded(compare_shares(0, 0, 0, 20)) == (0.0, -0.161, 0.161)


def test_arms_that_always_differ_reach_the_end_of_what_can_be() -> None:
    assert rounded(compare_shares(0, 0, 20, 0)) == (1.0, 0.678, 1.0)
    assert rounded(compare_shares(0, 20, 0, 0)) == (-1.0, -1.0, -0.678)


@pytest.mark.parametrize(("only_b", "only_a"), [(4, 0), (3, 0), (7, 1), (6, 1), (10, 2), (9, 3), (0, 0), (1, 1)])
def test_the_interval_leaves_out_zero_just_where_mcnemars_test_rejects(only_b: int, only_a: int) -> None:
    score = (only_b - only_a) / math.sqrt(only_b + only_a) if only_b + only_a else 0.0
    assert (compare_shares(9, only_a, only_b, 30).low > 0) == (score > 1.96)


def test_students_quantiles_are_those_of_the_tables() -> None:
    assert [round(student(degrees), 3) for degrees in (4, 9, 19, 39, 120)] == [2.776, 2.262, 2.093, 2.023, 1.98]


def test_the_interval_of_a_mean_difference_is_students() -> None:
    # Differences 1, 2, 3, 4, 5: mean 3, standard deviation sqrt(2.5), error sqrt(0.5), half 2.776 * 0.7071 = 1.963.
    figure = compare_means([(10, 11), (10, 12), (10, 13), (10, 14), (10, 15)])
    assert figure is not None
    assert rounded(figure) == (3.0, 1.037, 4.963)
    assert (figure.pairs, figure.a, figure.b) == (5, 10, 13)


def test_ratings_that_never_differ_leave_room_for_one_that_does() -> None:
    # One of 20 pairs that differs by 4 stars: a spread of 4 / sqrt(20), an error of 4 / 20, a half of 2.093 * 0.2.
    figure = compare_means([(5, 5)] * 20, most=4)
    assert figure is not None
    assert rounded(figure) == (0.0, -0.419, 0.419)


def test_one_pair_tells_no_spread() -> None:
    assert compare_means([(1, 2)]) is None


# --- pairs -----------------------------------------------------------------------------------------------------------

REVIEWER, ADA, BOB = ("reviewer", "reviewer"), ("human", "ada"), ("human", "bob")


def half(succeeded: bool = True, ms: int = 100, **stars: int) -> ArmResult:
    raters: dict[str, Rater] = {"reviewer": REVIEWER, "ada": ADA, "bob": BOB}
    return ArmResult(succeeded, ms, {raters[name]: given for name, given in stars.items()})


def pair(a: ArmResult, b: ArmResult, task: str = "click-button") -> Pair:
    return Pair(task, 7, a, b)


def test_a_pair_is_rated_by_people_who_rated_both_runs_else_by_the_reviewer() -> None:
    assert pair(half(reviewer=1), half(reviewer=5)).stars == (1, 5)
    assert pair(half(reviewer=1, ada=4), half(reviewer=5, ada=2)).stars == (4, 2)
    assert pair(half(ada=4, bob=5), half(ada=2, bob=2)).stars == (4.5, 2)
    # Ada saw one run and Bob the other: only the reviewer compares them.
    assert pair(half(reviewer=1, ada=4), half(reviewer=5, bob=2)).stars == (1, 5)
    assert pair(half(ada=4), half(bob=2)).stars is None


def test_latency_is_of_what_both_did_where_that_is_enough() -> None:
    quick_failures = [pair(half(False, 50), half(True, 900))] * 6
    done = [pair(half(True, 800), half(True, 700 + ms)) for ms in range(5)]
    found = Summary.of([*done, *quick_failures], minimum=5)
    assert found.latency is not None
    assert (found.latency_of, found.latency.pairs, found.latency.difference) == ("done by both", 5, -98)
    all_of_them = Summary.of([*done, *quick_failures], minimum=6)
    assert all_of_them.latency is not None
    assert (all_of_them.latency_of, all_of_them.latency.pairs) == ("all", 11)


def test_each_task_is_summed_up() -> None:
    one, other = pair(half(True, 80, ada=5), half(False, 90, ada=2)), pair(half(False, 40), half(True, 60), "click-tab")
    numbers = Summary.of([one, one, other], minimum=5).as_numbers()
    first, second = numbers["tasks"]
    assert (first["task"], first["pairs"], first["succeeded"]) == ("click-button", 2, {"a": 2, "b": 0})
    assert (first["stars"], first["latency_ms"]) == ({"a": 5, "b": 2}, {"a": 80, "b": 90})
    assert (second["task"], second["stars"], second["succeeded"]) == ("click-tab", None, {"a": 0, "b": 1})
    assert (numbers["pairs"], numbers["by_people"], numbers["stars"]["pairs"]) == (3, 2, 2)


# --- go or no-go -----------------------------------------------------------------------------------------------------

BARS = Bars.of(Policy(), "action")


def pairs(both: int, only_a: int, only_b: int, neither: int, ms: Sequence[int] = (0, 20)) -> list[Pair]:
    """Pairs that ended so, rated 5 or 1 by how they ended; B is slower by these milliseconds, in turn."""
    ends = [(True, True)] * both + [(True, False)] * only_a + [(False, True)] * only_b + [(False, False)] * neither

    def made(number: int, a: bool, b: bool) -> Pair:
        slower = ms[number % len(ms)]
        return pair(half(a, 300, reviewer=5 if a else 1), half(b, 300 + slower, reviewer=5 if b else 1))

    return [made(number, a, b) for number, (a, b) in enumerate(ends)]


def verdict(them: Sequence[Pair], bars: Bars = BARS) -> Verdict:
    return judge(Summary.of(them, bars.minimum), bars)


@pytest.mark.parametrize(
    ("them", "word", "reason"),
    [
        (pairs(10, 0, 30, 0), "go", "better"),
        # Four of four in one direction: McNemar's score is 4 / sqrt(4) = 2, just beyond chance. Three are not.
        (pairs(16, 0, 4, 0), "go", "better"),
        (pairs(17, 0, 3, 0), "inconclusive", "undecided"),
        (pairs(2, 0, 17, 0), "inconclusive", "few pairs"),
        (pairs(20, 12, 1, 7), "no-go", "worse"),
        # As good on 400 pages: at most 2.6 points, or a tenth of a star, can have been missed.
        (pairs(380, 5, 5, 10), "no-go", "no gain"),
        (pairs(19, 1, 1, 0), "inconclusive", "undecided"),
        # Beyond chance but under the bars: 7 of 100 pages are 7 points, or 0.28 stars.
        (pairs(80, 0, 7, 13), "inconclusive", "undecided"),
        (pairs(10, 0, 30, 0, ms=(800, 900)), "no-go", "slower"),
        (pairs(10, 0, 30, 0, ms=(-3000, 3900)), "inconclusive", "latency"),
        (pairs(10, 0, 30, 0, ms=(480, 490)), "go", "better"),
        (pairs(10, 0, 30, 0, ms=(500, 500)), "no-go", "slower"),
    ],
)
def test_a_verdict_follows_from_the_pairs(them: list[Pair], word: str, reason: str) -> None:
    found = verdict(them)
    assert (found.verdict, found.reason) == (word, reason), found.message


def test_stars_alone_can_make_a_go_and_success_alone_without_ratings() -> None:
    nicer = [pair(half(ada=3), half(ada=4 + number % 2)) for number in range(20)]
    assert verdict(nicer).reason == "better"
    assert "better in rating, by" in verdict(nicer).message
    unrated = [replace(it, a=replace(it.a, stars={}), b=replace(it.b, stars={})) for it in pairs(10, 0, 30, 0)]
    assert "better in success, by" in verdict(unrated).message
    assert "rating" not in verdict(unrated).message


def test_stars_of_few_pairs_say_nothing() -> None:
    rated = [pair(half(ada=5), half(ada=1 + number % 2)) for number in range(19)]
    assert verdict([*rated, *[pair(half(), half())] * 381]).reason == "no gain"


def test_an_arm_that_gains_stars_and_loses_success_is_no_go() -> None:
    nicer_but_wrong = [pair(half(True, ada=1), half(number % 2 == 0, ada=4 + number % 2)) for number in range(40)]
    found = verdict(nicer_but_wrong)
    assert (found.verdict, found.reason) == ("no-go", "worse")
    assert found.message.startswith("worse in success, beyond chance: ")


def test_the_sentence_carries_the_numbers() -> None:
    found = verdict(pairs(10, 0, 30, 0))
    assert found.message == (
        "better in success and rating, by the bar and beyond chance, and not 500 ms slower: success 100.0 % against 25.0 %, "
        "+75.0 points (+59.7 to +85.8); rating 5.00 against 2.00, +3.00 stars (+2.44 to +3.56); latency 310 ms against "
        "300 ms, +10 ms (+7 to +13); over 40 pairs"
    )
    assert found.numbers["bars"] == {"stars": 0.3, "points": 10.0, "latency_ms": 500, "minimum": 20}
    assert found.numbers["success"] == {
        "pairs": 40, "a": 0.25, "b": 1.0, "difference": 0.75, "low": 0.5967, "high": 0.8581
    }  # fmt: skip


def test_an_undecided_comparison_says_how_many_pairs_would_decide() -> None:
    # 3 of 20: half the interval must shrink from 0.187 to 0.15 of success, or from 0.685 to 0.6 stars: 1.31 times as many.
    assert "about 27 pairs would tell, 7 more, were the differences to stay" in verdict(pairs(17, 0, 3, 0)).message
    assert "more than 10000 pairs" in verdict(pairs(90, 0, 10, 0), replace(BARS, points=10.001, stars=4)).message
    assert verdict(pairs(10, 0, 0, 0)).message.startswith("20 are needed to say anything: ")
    assert verdict([]).message == "20 are needed to say anything"


@pytest.mark.parametrize("number", [20, 40])
@pytest.mark.parametrize("discordant", [0.05, 0.2, 0.5, 0.9])
def test_of_arms_that_are_alike_at_most_one_in_37_comparisons_says_go(number: int, discordant: float) -> None:
    """Added up over all that can happen, exactly: each arm succeeds alone in half of the discordant pairs."""
    chances: Counter[str] = Counter()
    for only_b in range(number + 1):
        for only_a in range(number + 1 - only_b):
            alike = number - only_a - only_b
            ways = math.comb(number, alike) * math.comb(number - alike, only_a)
            chance = ways * (1 - discordant) ** alike * (discordant / 2) ** (number - alike)
            if only_b > only_a and chance > 1e-9:
                chances[verdict(pairs(alike, only_a, only_b, 0)).verdict] += chance  # type: ignore[assignment]
    assert chances["go"] <= 1 / 37


def test_bars_are_settings_of_the_role() -> None:
    policy = Policy({"action.ab.min_success_gain_points": 50.0, "ab.min_pairs": 5})
    assert Bars.of(policy, "action") == Bars(0.3, 50.0, 500, 5)
    assert str(Bars.of(policy, "ocr")) == "+0.3 stars or +10 points of success, and less than 500 ms slower"


# --- what is compared ------------------------------------------------------------------------------------------------

DESIGN = Design(None, "lora-v1", "action", "embedded@sha256:00", "miniwob", ("click-button", "click-tab"), 4, 100)


def test_pages_go_in_turn_and_each_arm_goes_first_on_half_of_each_task() -> None:
    places = list(DESIGN.places())
    assert [(it.task, it.seed) for it in places[:3]] == [
        ("click-button", 100),
        ("click-tab", 100),
        ("click-button", 101),
    ]
    assert len(places) == DESIGN.pairs == 8
    first = Counter((it.task, it.order[0]) for it in places)
    assert set(first.values()) == {2} and len(first) == 4
    assert {it.order for it in places} == {("a", "b"), ("b", "a")}


def test_the_same_comparison_has_the_same_id_and_any_other_another() -> None:
    assert replace(DESIGN, tasks=["click-button", "click-tab"]).id == DESIGN.id
    others = {
        "a": "lora-v2",
        "b": "lora-v2",
        "base": "other",
        "tasks": ("click-tab",),
        "episodes": 5,
        "seed": 5,
        "reviewer": "my:One",
    }
    ids = {replace(DESIGN, **{name: value}).id for name, value in others.items()}  # type: ignore[arg-type]
    assert len(ids | {DESIGN.id}) == len(others) + 1
    runs = {DESIGN.run_id(it, arm, attempt) for it in DESIGN.places() for arm in it.order for attempt in (1, 2)}
    assert len(runs) == 8 * 2 * 2


def test_a_larger_comparison_is_on_other_pages() -> None:
    assert draw_seed(None, "lora-v1", ("click-tab",), 20) == draw_seed(None, "lora-v1", ("click-tab",), 20)
    assert draw_seed(None, "lora-v1", ("click-tab",), 40) != draw_seed(None, "lora-v1", ("click-tab",), 20)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"b": None}, "base cannot be compared with itself"),
        ({"tasks": ()}, "at least one task"),
        ({"episodes": 0}, "takes 1 to 10000"),
        ({"seed": -1}, "takes 0 to 2147483644"),
        ({"seed": 2**31 - 3}, "takes 0 to 2147483644"),
    ],
)
def test_a_design_that_compares_nothing_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(NotPossible, match=words):
        replace(DESIGN, **change)


# --- what is recorded ------------------------------------------------------------------------------------------------

GO = Verdict("go", "better", "better in success", {"pairs": 8, "success": {"pairs": 8, "a": 0.5, "b": 1.0}})


def start(comparison: Comparison) -> None:
    comparison.start(DESIGN, BARS.as_numbers(), 3, SOMEONE)


def conclude(comparison: Comparison) -> None:
    comparison.conclude(GO, 99, SOMEONE)


def test_a_comparison_starts_with_its_bars_and_is_concluded_once() -> None:
    given(Comparison).when(start).then(
        (ComparisonStarted, {"a": None, "b": "lora-v1", "tasks": ("click-button", "click-tab"), "played_before": 3,
                             "bars": {"stars": 0.3, "points": 10.0, "latency_ms": 500, "minimum": 20}})
    )  # fmt: skip
    given(Comparison, start).when(start).then_nothing()
    given(Comparison, start).when(conclude).then(
        (ComparisonConcluded, {"b": "lora-v1", "verdict": "go", "reason": "better", "numbers": GO.numbers, "up_to": 99})
    )
    given(Comparison, start, conclude).when(conclude).then_nothing()
    given(Comparison).when(conclude).then_refused("has not started")


STORED = {
    "ComparisonStarted": b'{"time":"2026-01-01T12:00:00Z","actor":"ada","caused_by":null,"role":"action","a":null,'
    b'"b":"lora-v1","base":"embedded@sha256:00","environment":"miniwob","tasks":["click-button"],"episodes":4,"seed":100,'
    b'"reviewer":"","bars":{"stars":0.3,"points":10.0,"latency_ms":500,"minimum":20},"played_before":0,"v":1}',
    "ComparisonConcluded": b'{"time":"2026-01-01T12:00:00Z","actor":"ada","caused_by":null,"role":"action","a":null,'
    b'"b":"lora-v1","verdict":"go","reason":"better","message":"better in success","numbers":{"pairs":4,"success":'
    b'{"pairs":4,"a":0.5,"b":1.0,"difference":0.5,"low":0.1,"high":0.8},"stars":null},"up_to":99,"v":1}',
}
"""The bytes of version 1, kept: a change that cannot read them breaks every log there is."""


def stored(topic: str) -> Event:
    return decode(topic, UUID(int=1).hex, 1, STORED[topic])


@pytest.mark.parametrize("topic", STORED)
def test_a_stored_comparison_stays_readable(topic: str) -> None:
    assert json.loads(encode(stored(topic))) == json.loads(STORED[topic])


def test_a_comparison_is_told_in_words_and_as_a_row() -> None:
    started, concluded = stored("ComparisonStarted"), stored("ComparisonConcluded")
    assert isinstance(started, ComparisonStarted) and isinstance(concluded, ComparisonConcluded)
    assert describe(started) == (
        "A/B by ada: lora-v1 beside the base on 4 pages of click-button; bars +0.3 stars or +10 points, under +500 ms"
    )
    assert describe(concluded) == "A/B, lora-v1 in place of the base: go (better): better in success"
    row = row_of_comparison(1, started) | row_of_comparison(2, concluded)
    assert (row["tasks"], row["verdict"], row["success_low"], row["pairs"]) == ("click-button", "go", 0.1, 4)
