"""Metrics with bounded labels, in the form of Prometheus."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ....domain.settings.settings import ROLES
from ....projections.state.ratings import BASE
from ....projections.state.usage import Histogram

OTHER = "other"
"""The label in place of every name that is not in the registry, so that no client can add series."""

Labels = tuple[str, ...]
Rows = Iterable[tuple[Labels, float]]


def bound(name: str, known: Collection[str]) -> str:
    """The name, if it is a known one."""
    return name if name in known else OTHER


class Names:
    """The names that labels may have: the roles, the base and the registered adapters."""

    def __init__(self, adapters: Collection[str]) -> None:
        self._adapters = {BASE, *adapters}

    def adapter(self, name: str | None) -> str:
        """The label of the adapter; None is the base."""
        return bound(name or BASE, self._adapters)

    @staticmethod
    def role(name: str) -> str:
        """The label of the role."""
        return bound(name, ROLES)


def gauge(name: str, help: str, labels: Sequence[str], rows: Rows) -> Metric:
    """A number that goes up and down. Rows with the same labels are added up."""
    return _fill(GaugeMetricFamily(name, help, labels=labels), rows)


def counter(name: str, help: str, labels: Sequence[str], rows: Rows) -> Metric:
    """A number that only grows; ``name`` is without ``_total``."""
    return _fill(CounterMetricFamily(name, help, labels=labels), rows)


def histogram(
    name: str,
    help: str,
    labels: Sequence[str],
    rows: Iterable[tuple[Labels, Histogram]],
    bounds: Sequence[int],
    scale: int,
) -> Metric:
    """A histogram; its bounds and its sum are divided by ``scale``. Rows with the same labels are added up."""
    family = HistogramMetricFamily(name, help, labels=labels)
    sums: dict[Labels, tuple[list[int], int]] = {}
    for key, counts in rows:
        up_to, total = sums.get(key, ([0] * (len(bounds) + 1), 0))
        sums[key] = [a + b for a, b in zip(up_to, counts.up_to(bounds), strict=True)], total + counts.sum
    edges = [*(f"{edge / scale:g}" for edge in bounds), "+Inf"]
    for key in sorted(sums):
        up_to, total = sums[key]
        family.add_metric(list(key), buckets=list(zip(edges, up_to, strict=True)), sum_value=total / scale)
    return family


def _fill(family: GaugeMetricFamily | CounterMetricFamily, rows: Rows) -> Metric:
    sums: dict[Labels, float] = {}
    for key, value in rows:
        sums[key] = sums.get(key, 0) + value
    for key in sorted(sums):  # in one order, however the state was loaded
        family.add_metric(list(key), sums[key])
    return family


def flags(name: str, help: str, labels: Sequence[str], rows: Mapping[Labels, str], values: Iterable[str]) -> Metric:
    """For each row and possible value 1 where the row has it, else 0; the last label is the value."""
    values = tuple(values)
    return gauge(
        name, help, labels, (((*key, value), float(value == has)) for key, has in rows.items() for value in values)
    )
