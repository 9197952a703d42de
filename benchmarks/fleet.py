"""A fleet on one machine: runs in several shards, counted into one decision log, while its processes are killed.

    python benchmarks/fleet.py --folder .                            # some ten minutes on two cores
    python benchmarks/fleet.py --folder . --seconds 12 --shards 2 --rollouts 0 --no-servers     # under a minute

It starts a PostgreSQL server of its own in the folder, with a schema for each shard and for the decision log, and prints the
tables of ``benchmarks/README.md``. Real are the logs, their commits and trees, ``verify`` and ``prove``, the events, the rules,
the processes and their deaths. Scripted are the outcomes of runs: no model is asked, and no page is looked at. One machine has
no network that fails, and one server of PostgreSQL has all shards. ``benchmarks/shards`` says how the parts fit together. The
command ends with 1 where a check finds something wrong.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from grokputer.benchmarks.shards.counted import known
from grokputer.benchmarks.shards.layout import Layout
from grokputer.benchmarks.shards.trial import figures, report
from grokputer.benchmarks.shards.trial.phases import Fleet, play
from grokputer.benchmarks.shards.trial.roster import Roster

if TYPE_CHECKING:
    from stores import Server

SUPPORT = Path(__file__).parents[1] / "tests" / "support"


def main() -> None:
    """Simulate, check, and print the tables."""
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the processes and the server end too
    folder = Path(tempfile.mkdtemp(prefix="fleet-", dir=options.folder.resolve()))
    folder.chmod(0o755)  # the server is not this user
    os.environ["GROKPUTER_HOME"] = str(folder / "home")
    try:
        with known(), serving(folder) as server:
            problems = simulate(server, folder, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for problem in problems:
        print(f"wrong: {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)


def read_options() -> argparse.Namespace:
    """The command's options."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, default=Path(), help="on the disk that is to be measured")
    options.add_argument("--seconds", type=float, default=300.0, help="of load; the checks take as long again")
    options.add_argument("--shards", type=int, default=4)
    options.add_argument("--gateways", type=int, default=2, help="processes that store runs")
    options.add_argument("--threads", type=int, default=16, help="of a gateway")
    options.add_argument("--every", type=float, default=0.1, help="seconds between two counts of a shard")
    options.add_argument("--behind", type=int, default=1_000, help="events of a shard that may wait to be counted")
    options.add_argument("--kill-every", type=float, help="seconds between two kills; default: a fortieth of --seconds")
    options.add_argument("--bulk", type=int, default=20_000, help="events of the log that is filled and detached")
    options.add_argument("--rollouts", type=int, default=200, help="simulated rollouts of each row; 0 leaves them out")
    options.add_argument("--processes", type=int, default=2, help="that simulate rollouts")
    options.add_argument("--no-servers", action="store_true", help="leave out the fake vLLM servers, which load torch")
    options.add_argument("--seed", type=int, default=1)
    return options.parse_args()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A PostgreSQL server of its own, with its files in the folder; it syncs each commit that is acknowledged."""
    sys.path.insert(0, str(SUPPORT))
    from stores import Server

    (folder / "server").mkdir()
    try:
        server = Server(folder / "server")
    except subprocess.CalledProcessError:
        sys.exit(
            f"PostgreSQL cannot start in {folder}. As root starts it, it runs as the user 'nobody', who cannot read that "
            "folder; give another --folder"
        )
    try:
        yield server
    finally:
        server.stop("immediate")


def simulate(server: Server, folder: Path, options: argparse.Namespace) -> list[str]:
    """Measure and print; what was found wrong."""
    disk = figures.syncs_per_second(folder)
    layout = Layout(
        folder=str(folder),
        shards=tuple(server.place(f"shard_{number}").url for number in range(options.shards)),
        decisions=server.place("decisions").url,
        every_s=options.every,
        behind=options.behind,
        threads=options.threads,
        seed=options.seed,
    )
    layout.create()
    print(
        f"{options.shards} shards, {options.gateways} gateways of {options.threads} threads, {options.seconds:g} s of load; "
        f"{os.cpu_count()} cores, of which other programs used {os.getloadavg()[0]:.1f} at the start.",
        flush=True,
    )
    fleet = Fleet(server, layout, Roster(layout, options.gateways))
    play(fleet, options.seconds, options.kill_every or options.seconds / 40, options.seed)
    return report.tell(fleet, options, disk)


if __name__ == "__main__":
    main()
