"""The loop on long tasks: ratings fall, and action, decomposition and recovery each learn, by gate and canary.

    python benchmarks/plan_loop.py --folder plan-loop    # the embedded model on boards
    python benchmarks/plan_loop.py --folder plan-loop --environment long --base smollm2 --parts 3

One log, one worker, runs that plan. The reviewer rates each run, and corrects a failed one by the environment's demonstration.
After each round of runs the worker does what is due. It ends when every role has an adapter in traffic, or after
``--rounds``. The output is how each cycle ended, as ``grokputer why`` says it, and the figures of the roles before and after.
A folder that exists is continued.

While no plan is right, every low rating blames the plan, so no other role breaches. With ``--ask recovery`` its training is
asked for by hand as well, as a person may: the corrections have lessons for it too.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from grokputer.benchmarks.plans import FAMILIES, ROLES, Board
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import CycleClosed, RatingThresholdBreached, TaskFailed, TaskSucceeded
from grokputer.projections.wording.role_metrics import describe_metric, role_metric
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.console.history.why import print_explanation
from grokputer.runners.explain.explanation import explain
from grokputer.runners.feedback.reviewer import review
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.store.lease import lease
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.settings import change_setting
from grokputer.runners.use_cases.trainings import request_training
from grokputer.runners.wiring.services import Services

ACTOR = "benchmark"
SETTINGS = (
    *(("run.plan", "always"), ("run.max_plans", 1), ("run.max_resamples", 0), ("run.max_steps", 8)),
    *(("run.max_tokens", 24), ("decomposition.run.max_tokens", 160), ("training.retries", 0)),
    *(("training.accumulation", 1), ("training.epochs", 3), ("decomposition.training.epochs", 12)),
    *(
        ("rating.rule", "threshold"),
        ("rating.cooldown", 20),
        ("canary.rule", "relative"),
        ("canary.weight_percent", 50),
    ),
    *(("canary.min_runs", 10), ("canary.bake_s", 0), ("canary.interval_s", 0), ("gate.runs", 12)),
)
"""Few runs decide, since all traffic is made here. A correction has one plan and several acts, so plans take more passes."""

Loop = tuple[Services, Worker]


def main() -> None:
    """Play what is left of the loop, and print the tables."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", type=Path, default=Path("plan-loop"))
    options.add_argument("--base", default="embedded")
    options.add_argument("--environment", choices=("board", "long"), default="board")
    options.add_argument("--parts", type=int, default=5)
    options.add_argument("--round", type=int, default=40, help="runs between two looks of the worker")
    options.add_argument("--rounds", type=int, default=12, help="rounds, at most")
    options.add_argument("--last", type=int, default=40, help="runs that are measured after the last cycle")
    options.add_argument(
        "--ask", nargs="*", choices=ROLES, default=[], help="roles whose trainings are asked for by hand"
    )
    options.add_argument("--settings", nargs="*", default=[], help="further settings, as key=value")
    arguments = options.parse_args()
    offer_board(arguments.folder)
    ledger = Ledger.create(arguments.folder / "events.db")
    given = tuple(pair.split("=", 1) for pair in arguments.settings)
    for key, value in (*SETTINGS, ("model.base", arguments.base), *given):
        change_setting(ledger, key, value, reason="the benchmark", actor=ACTOR)
    reporter = Reporter(lambda line: print(f"  {line}", flush=True))
    with lease(ledger, reporter.say), Services(ledger, process_new_events(ledger), reporter.say) as services:
        loop = services, Worker(ledger, services, reporter)
        for number in range(arguments.rounds):
            play_round(loop, arguments, number, arguments.round)
            if all(services.state.traffic(role).stable for role in ROLES):
                break
        play_round(loop, arguments, arguments.rounds, arguments.last)
        tell(ledger, services)


def offer_board(folder: Path) -> None:
    """Offer the boards as a plug-in does: worker and gate then open them by their name."""
    package = folder / "plug-in" / "board-1.dist-info"
    package.mkdir(parents=True, exist_ok=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: board\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[grokputer.environments]\nboard = grokputer.benchmarks.plans:Board\n")
    sys.path.insert(0, str(package.parent))


def play_round(loop: Loop, arguments: argparse.Namespace, number: int, count: int) -> None:
    """Play, rate and correct so many runs, and let the worker do what is due."""
    services, worker = loop
    runs = [
        review(services.ledger, run, Board() if arguments.environment == "board" else services.environment("long"))
        for run in list(played(services, arguments, number, count))
    ]
    services.state = process_new_events(services.ledger, services.state)
    if arguments.ask and number < arguments.rounds:
        ask_for_trainings(services, arguments.ask)
    done = sum(isinstance(run.ended, TaskSucceeded) for run in runs)
    rated = [run.ratings[-1].fault for run in runs if isinstance(run.ended, TaskFailed)]
    faults = ", ".join(f"{role or 'unknown'} {rated.count(role)}" for role in dict.fromkeys(rated))
    live = ", ".join(str(services.state.traffic(role).stable or "base") for role in ROLES)
    print(f"round {number + 1}: {done} of {len(runs)} done; at fault: {faults or '-'}; live were {live}", flush=True)
    while worker.step():
        pass


def ask_for_trainings(services: Services, roles: Sequence[str]) -> None:
    """Ask for a training of each of these roles that has no adapter and no open cycle."""
    for role in roles:
        if services.state.traffic(role).stable is None and services.state.rollouts.cycle(role) is None:
            request_training(services.ledger, role, reason="the corrections have lessons for it", actor=ACTOR)
            services.state = process_new_events(services.ledger, services.state)


def played(services: Services, arguments: argparse.Namespace, number: int, count: int) -> Iterator[TaskRun]:
    """The runs of the round: those in the log, and the others now."""
    specs = []
    for seed in range(1000 * number, 1000 * number + count):
        parts = random.Random(seed).sample(FAMILIES, min(arguments.parts, len(FAMILIES)))
        name = str(arguments.parts) if arguments.environment == "board" else "+".join(parts)
        specs.append(RunSpec(Task(arguments.environment, name, seed), derive_id("plan loop", name, seed)))
    known = [services.ledger.get(TaskRun, spec.id) for spec in specs]
    yield from (run for run in known if run.ended is not None and not run.ratings)
    runner = TaskRunner(services.ledger, services.model, services.prepare, services.base_label, ACTOR)
    left = [spec for spec, run in zip(specs, known, strict=True) if run.started is None]
    yield from run_batch(runner, left, services.environment(arguments.environment), services.state)


def tell(ledger: Ledger, services: Services) -> None:
    """Print how the cycles ended, why each adapter is what it is, and the figures of the roles."""
    state = services.state = process_new_events(ledger, services.state)
    topics = (RatingThresholdBreached.TOPIC, CycleClosed.TOPIC)
    print("\n| role | what happened |\n|---|---|")
    for recorded in ledger.read(1, None, topics):
        event = recorded.event
        if isinstance(event, CycleClosed):
            print(f"| {event.role} | {event.outcome}: {ledger.say(event.detail)} |")
        elif isinstance(event, RatingThresholdBreached):
            print(f"| {event.role} | breach: mean {event.mean:.2f} of {event.count} ratings |")
    print("\n| role | before | after |\n|---|---|---|")
    for role in ROLES:
        live = state.traffic(role).stable or "base"
        before, after = (describe_metric(role, role_metric(state.role_metrics, role, name)) for name in ("base", live))
        print(f"| {role}, {live} | {before} | {after} |")
    for name in state.registry.adapters:
        print()
        print_explanation(ledger, explain(ledger, state, name))


if __name__ == "__main__":
    main()
