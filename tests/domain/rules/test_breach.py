"""The breach rule: when it fires, and what keeps it from firing on its own echo."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from given import SOMEONE, given
from grokputer.domain.aggregates.role import RoleImprovement
from grokputer.domain.events import CycleClosed, CycleOpened, RatingThresholdBreached, TriggerSuppressed
from grokputer.domain.rules.breach import Window, is_breach
from grokputer.domain.settings.settings import Policy

PLAIN = Policy({"rating.rule": "threshold", "rating.cooldown": 50})


def window(stars: Sequence[int], adapter: str | None = None, total: int | None = None) -> Window:
    ratings = tuple((100 + index, star) for index, star in enumerate(stars))
    return Window("action", adapter, ratings, len(stars) if total is None else total)


def look(at: Window) -> Callable[[RoleImprovement], None]:
    return lambda role: role.look(at, PLAIN, SOMEONE)


def close(role: RoleImprovement) -> None:
    role.close("action", "declined", "too little", 10, SOMEONE)


LOW = window([3] * 10)


def test_ten_ratings_with_a_low_mean_are_a_breach_and_nine_are_not() -> None:
    assert is_breach(window([3] * 10), PLAIN)
    assert not is_breach(window([3] * 9), PLAIN)


def test_a_mean_at_the_threshold_is_no_breach() -> None:
    # 8 x 4 + 2 x 3 = 38 over 10 ratings: 3.8 exactly.
    assert not is_breach(window([4] * 8 + [3] * 2), PLAIN)
    assert is_breach(window([4] * 7 + [3] * 3), PLAIN)


def test_a_breach_says_what_it_rests_on() -> None:
    given(RoleImprovement).when(look(LOW)).then(
        (RatingThresholdBreached, {
            "mean": 3.0, "count": 10, "window": 50, "threshold": 3.8, "first_position": 100, "last_position": 109,
            "adapter": None, "total": 10,
        }),
    )  # fmt: skip


def test_good_ratings_lead_to_nothing() -> None:
    given(RoleImprovement).when(look(window([5] * 20))).then_nothing()


def test_while_a_cycle_is_in_flight_a_breach_is_suppressed_once() -> None:
    given(RoleImprovement, look(LOW)).when(look(LOW)).then((TriggerSuppressed, {"reason": "cycle in flight"}))
    given(RoleImprovement, look(LOW), look(LOW)).when(look(LOW)).then_nothing()


def test_after_a_cycle_the_same_version_cools_down() -> None:
    given(RoleImprovement, look(LOW), close).when(look(window([3] * 10, total=59))).then(
        (TriggerSuppressed, {"reason": "cooldown"})
    )
    given(RoleImprovement, look(LOW), close).when(look(window([3] * 10, total=60))).then(
        (RatingThresholdBreached, {"total": 60})
    )


def test_another_version_needs_no_cooldown() -> None:
    given(RoleImprovement, look(LOW), close).when(look(window([3] * 10, adapter="lora-v1"))).then(
        (RatingThresholdBreached, {"adapter": "lora-v1"})
    )


def test_a_person_may_open_a_cycle_but_not_beside_another() -> None:
    def by_hand(role: RoleImprovement) -> None:
        role.open("action", None, "new corrections", SOMEONE)

    given(RoleImprovement).when(by_hand).then((CycleOpened, {"reason": "new corrections"}))
    given(RoleImprovement, look(LOW)).when(by_hand).then_refused("already has an open cycle", "action")


def test_closing_without_a_cycle_records_nothing() -> None:
    given(RoleImprovement).when(close).then_nothing()
    given(RoleImprovement, look(LOW)).when(close).then((CycleClosed, {"outcome": "declined"}))
