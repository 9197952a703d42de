"""The figures of a fleet and their tables: what a run costs, how far counters and decisions lag, and what follows for more."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..acks import Ack, Marks, Spread, lags
from .cold import Storage
from .phases import Costs, Phase

SYNCS_S = 0.5
DAY_S = 86_400
AIMS = (100, 1_000, 10_000)
"""Runs a second that sizes are computed for."""
BUSY = 0.5
"""The part of its rate that a shard is sized to have; chosen: the rest is for peaks and for catching up."""


@dataclass(frozen=True)
class Bulk:
    """Storing a thousand events at a time in one log, by one process."""

    events: int
    wall_us: float
    client_us: float
    server_us: float
    """All three of an event, with its texts."""


def syncs_per_second(folder: Path) -> float:
    """How often the disk makes a page safe in a second, without anything else."""
    path, count = folder / "page", 0
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    end = time.perf_counter() + SYNCS_S
    while time.perf_counter() < end:
        os.pwrite(file, b"x" * 8192, 0)
        os.fdatasync(file)
        count += 1
    os.close(file)
    path.unlink()
    return count / SYNCS_S


def stats_of(paths: Iterable[Path], phase: Phase) -> list[dict[str, float]]:
    """What gateways told of themselves in the phase."""
    found = [json.loads(line) for path in paths for line in path.read_text().splitlines() if line.endswith("}")]
    return [told for told in found if phase.began <= told["at"] < phase.ended]


def _ms(spread: Spread) -> str:
    return f"{spread.median * 1e3:,.0f} / {spread.p99 * 1e3:,.0f} / {spread.most * 1e3:,.0f}"


def load_table(
    phases: Sequence[Phase], acks: Sequence[Ack], stored: Mapping[str, int], counted: Sequence[Marks],
    decided: Sequence[Marks],
) -> list[str]:  # fmt: skip
    """By phase, the rate, and how long a run takes to be stored, counted and decided on."""
    lines = [
        "| offered | runs/s stored | stored after, ms: median / p99 / worst | counted after that | decided after that |"
    ]
    lines += ["|---|---|---|---|---|"]
    for phase in phases:
        own = phase.acks(acks)
        times = [
            Spread.of(ack.took_s for ack in own),
            Spread.of(lags(own, stored, counted)),
            Spread.of(lags(own, stored, decided)),
        ]
        offered = f" ({phase.offered:,.0f}/s)" if phase.offered else ""
        rate = len(own) / (phase.ended - phase.began)
        lines.append(f"| {phase.name}{offered} | {rate:,.0f} | {' | '.join(map(_ms, times))} |")
    return lines


def cost_table(costs: Costs, bulk: Bulk, disk: float, storage: Storage, batch_bytes: float) -> list[str]:
    """What a run costs, and the two numbers that scale."""
    rate, all_us = costs.runs / costs.seconds, costs.us_of_all
    by_kind = ", ".join(f"{kind} {costs.us(kind):,.0f}" for kind in costs.cpu_s)
    cores = sum(costs.cpu_s.values()) / costs.seconds
    per_run = costs.events / max(1, costs.runs)
    hot = storage.hot_bytes + storage.text_bytes
    return [
        "| what | figure |",
        "|---|---|",
        f"| runs/s at most | {rate:,.0f}, on {cores:.1f} cores |",
        f"| runs/s a core | {1e6 / all_us:,.0f} |",
        f"| processor time of a run, us | {all_us:,.0f}: {by_kind} |",
        f"| events of a run | {per_run:.2f} |",
        f"| **hash and insert, us an event**, with its texts, a thousand at a time | {bulk.wall_us:,.0f} elapsed; "
        f"processor: client {bulk.client_us:,.0f}, PostgreSQL {bulk.server_us:,.0f} |",
        f"| **syncs/s** of the disk alone | {disk:,.0f} |",
        f"| syncs/s at the highest rate; runs a sync | {costs.syncs / costs.seconds:,.0f}; "
        f"{costs.runs / max(1, costs.syncs):.1f} |",
        f"| bytes of a run: database; journal (WAL) | {hot * per_run:,.0f}; {costs.wal_bytes / max(1, costs.runs):,.0f} |",
        f"| bytes of a batch in the decision log | {batch_bytes:,.0f} |",
    ]


def verdict_line(runs: int, seconds: float) -> str:
    """What it takes to decide after each run of a rollout."""
    return f"| to decide after a run of a rollout, us | {seconds / max(1, runs) * 1e6:,.0f} |"


def storage_table(storage: Storage) -> list[str]:
    """What an event takes hot and cold."""
    return [
        "| what | figure |",
        "|---|---|",
        f"| events; detached, in ranges of {storage.width:,} | {storage.events:,}; {storage.cold:,} |",
        f"| bytes of an event in PostgreSQL: with nodes and indexes; its texts | {storage.hot_bytes:,.0f}; "
        f"{storage.text_bytes:,.0f} |",
        f"| bytes of an event in Parquet; of them nodes | {storage.cold_bytes:,.0f}; {storage.node_bytes:,.0f} |",
        f"| to write and read back, us an event; to detach a range, ms | {storage.write_us:,.1f}; {storage.detach_ms:,.0f} |",
        f"| proof of a cold event against the live head, ms | {storage.proof_ms:,.1f} |",
    ]


def size_table(costs: Costs, bulk: Bulk, disk: float, storage: Storage) -> list[str]:
    """Computed, not measured: what higher rates need, if nothing but these numbers matters."""
    per_run, journal = costs.events / max(1, costs.runs), costs.wal_bytes / max(1, costs.runs)
    hot, cold = (each + storage.text_bytes for each in (storage.hot_bytes, storage.cold_bytes))
    one_log = 1e6 / (bulk.client_us + bulk.server_us) / per_run
    lines = [f"One log stores {one_log:,.0f} runs/s at most: its transactions hash and insert one after the other.", ""]
    lines += ["| runs/s | cores | logs, each half busy | runs that share a sync | TB a day: hot, cold, journal |"]
    lines += ["|---|---|---|---|---|"]
    for aim in AIMS:
        days = ", ".join(f"{size * aim * DAY_S / 1e12:,.2f}" for size in (hot * per_run, cold * per_run, journal))
        cores, logs = aim * costs.us_of_all / 1e6, -(-aim // (one_log * BUSY))
        lines.append(f"| {aim:,} | {cores:,.1f} | {logs:,.0f} | {max(1.0, aim / disk):,.1f} | {days} |")
    return lines


def share_table(shares: Mapping[int, tuple[int, int]]) -> list[str]:
    """The share that canaries were to get, and the one that they got, with two standard errors."""
    lines = ["| share, % | drawn, % | runs |", "|---|---|---|"]
    for wanted, (canary, stable) in sorted(shares.items()):
        runs = canary + stable
        part = canary / runs
        error = 2 * (part * (1 - part) / runs) ** 0.5
        lines.append(f"| {wanted} | {100 * part:.1f} ± {100 * error:.1f} | {runs:,} |")
    return lines


def brake_table(phase: Phase, told: Sequence[Mapping[str, Any]], limit: int, catch_up_s: float) -> list[str]:
    """What gateways did while nothing was counted."""
    memory = [one["memory_mb"] for one in told]
    behind, waiting = (max((one[name] for one in told), default=0) for name in ("behind", "waiting"))
    by_process = [[one["refused"] for one in told if one["pid"] == pid] for pid in {one["pid"] for one in told}]
    refused = sum(max(counts) - min(counts) for counts in by_process)
    return [
        "| what | figure |",
        "|---|---|",
        f"| no counter for | {phase.ended - phase.began:.1f} s |",
        f"| events that waited to be counted in a shard: limit; most | {limit:,}; {behind:,.0f} |",
        f"| requests that waited in a gateway, most; refused | {waiting:,.0f}; {refused:,.0f} |",
        f"| memory of a gateway, MB: least and most meanwhile | {min(memory, default=0):.0f}, {max(memory, default=0):.0f} |",
        f"| until all was stored, counted and decided on | {catch_up_s:.1f} s |",
    ]
