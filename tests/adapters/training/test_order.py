"""The order in which a training takes its rows."""

from __future__ import annotations

import random
from itertools import pairwise

from grokputer.adapters.training.length_sampler import Order, arrange

LENGTHS = random.Random(7).choices(range(20, 401), k=1003)


def padded(places: list[int], batch: int) -> int:
    batches = [places[start : start + batch] for start in range(0, len(places), batch)]
    return sum(len(each) * max(LENGTHS[place] for place in each) for each in batches)


def test_each_row_comes_once_in_each_epoch() -> None:
    assert sorted(arrange(LENGTHS, 4, seed=0, epoch=0)) == list(range(1003))


def test_rows_of_a_batch_are_alike_and_so_little_is_padded() -> None:
    mixed = list(range(1003))
    random.Random(0).shuffle(mixed)
    alike = arrange(LENGTHS, 4, seed=0, epoch=0)
    assert padded(alike, 4) < 1.1 * sum(LENGTHS)
    assert padded(mixed, 4) > 1.4 * sum(LENGTHS)


def test_neighbouring_batches_are_not_alike() -> None:
    places = arrange(LENGTHS, 4, seed=0, epoch=0)
    middle = [LENGTHS[places[start]] for start in range(0, 1000, 4)]
    steps = [abs(one - other) for one, other in pairwise(middle)]
    assert (
        sum(steps) / len(steps) > 90
    )  # a third of the range of 380, as between any two at random; sorted it would be 2


def test_the_odd_rows_come_last_so_that_no_batch_in_the_middle_is_short() -> None:
    assert len(arrange(LENGTHS, 4, seed=0, epoch=0)[1000:]) == 3
    assert sorted(arrange([5, 9, 7], 4, seed=0, epoch=0)) == [0, 1, 2]


def test_each_epoch_and_each_seed_has_an_order_of_its_own_that_comes_again() -> None:
    order = Order(LENGTHS, 4, seed=0)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    order.set_epoch(0)
    assert list(order) == first != second
    assert list(Order(LENGTHS, 4, seed=1)) != first
    assert len(order) == 1003
