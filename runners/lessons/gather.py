"""Collecting more examples before a dataset is built: retries, practice, and a teacher's corrections and variations.

Failed runs without a correction are tried again, first by the model itself and then by the teacher; a success becomes
the run's correction. In between, the model practises such tasks on fresh pages. Held-out instances are excluded:
nothing is learnt from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from ...adapters.data.held_out import find_held_out
from ...adapters.data.training_runs import TOPICS, PastRun, collect_runs
from ...domain.aggregates.base import ACTOR
from ...domain.aggregates.run import TaskRun
from ...domain.errors import GrokputerError, LogError, ModelError
from ...domain.events import TaskFailed, TrainingRequested
from ...domain.ports import Teacher
from ...domain.rules.coordination import recorded_bounds
from ...domain.settings.recipe import Recipe
from ...domain.settings.settings import ROLES, Policy
from ...domain.vocabulary import OWN_FAULTS
from ..feedback.corrections import correct_by_teacher
from ..store.ledger import Ledger
from ..store.texts.ahead import LogAhead
from ..wiring.services import Services
from .practice import practise
from .retries import RetryPolicy, correct_by_retries
from .variations import vary_run

Say = Callable[[str], None]
"""Called with one line for each part that could not be done, with the reason."""


def collect_examples(
    ledger: Ledger, services: Services, requested: TrainingRequested, policy: Policy, say: Say
) -> None:
    """Correct failed runs where possible, then vary the corrections.

    What cannot be done here is left out: a browser or the weights of the live adapter may be missing. ``say`` gets each
    reason once, so that no example is missing without a word.
    """
    role, recipe, say = requested.role, Recipe.from_json(requested.recipe), _once(say)
    if requested.retries:
        training = policy.training(role)
        sampling = RetryPolicy(
            requested.parent,
            requested.retries,
            training.retry_temperature,
            training.retry_exploration,
            role,
            live_adapters(services),
        )
        _retry(ledger, services, requested, sampling, say)
        if pages := policy.training(role).practice:
            _practise(ledger, services, requested, pages, sampling, say)
    try:
        teacher = services.teacher(policy, role)
        if teacher is None:
            return
        for run in find_uncorrected(ledger, role, requested.below_stars, recipe):
            if run.started.is_verified or recipe.teacher_answers:
                _teach(ledger, services, run, teacher, policy.teacher(role).tries, say)
        count = policy.teacher(role).variations
        for run in find_corrected(ledger, role, requested.below_stars, recipe) if count else ():
            vary(ledger, services, run, teacher, count, ACTOR, say)
    except ModelError as error:
        # The other corrections can still be learnt from.
        say(f"the teacher is not asked again before this training: {error}")


def vary(
    ledger: Ledger,
    services: Services,
    run: PastRun,
    teacher: Teacher,
    count: int,
    actor: str,
    say: Say,
) -> int:
    """Let the teacher vary the run's correction ``count`` times; the number of examples.

    ``say`` gets the reason where the run cannot be varied on this machine. Raises ``ModelError`` when the teacher does
    not answer.
    """
    environment = run.started.environment
    with _skip_on_error(say, f"the teacher cannot vary runs of {environment} here", but=(ModelError,)):
        return vary_run(ledger, run, services.environment(environment), teacher, count, actor)
    return 0


def find_uncorrected(ledger: Ledger, role: str, below_stars: int, recipe: Recipe) -> list[PastRun]:
    """Badly rated runs without a correction, with the role at fault, that may be learnt from."""
    return [run for run in teaching_runs(ledger, role, recipe) if _is_uncorrected(run, below_stars)]


def find_corrected(ledger: Ledger, role: str, below_stars: int, recipe: Recipe) -> list[PastRun]:
    """Corrected runs of the role's own that may be learnt from."""
    return [run for run in teaching_runs(ledger, role, recipe) if _is_corrected(run, below_stars)]


def _is_uncorrected(run: PastRun, below_stars: int) -> bool:
    return run.correction is None and run.stars is not None and run.stars < below_stars and _is_own_fault(run)


def _is_corrected(run: PastRun, below_stars: int) -> bool:
    is_low = run.stars is None or run.stars < below_stars
    return run.correction is not None and run.started.role == run.role and is_low


def teaching_runs(ledger: Ledger, role: str, recipe: Recipe) -> list[PastRun]:
    """The role's runs that may be learnt from: all but those of held-out instances."""
    ahead = LogAhead(ledger)
    events = [recorded.event for recorded in ahead.read(1, None, TOPICS)]
    runs = collect_runs(events, role, ahead.get_content)
    held_out = find_held_out(runs, events, recipe)
    return [run for run in runs if run.instance not in held_out]


def _is_own_fault(run: PastRun) -> bool:
    """Whether the run failed by the role's own steps, as far as known. Where no environment judges, the rating decides."""
    if not run.started.is_verified:
        return run.ended is not None
    is_tried = isinstance(run.ended, TaskFailed) and run.ended.reason in OWN_FAULTS
    return is_tried and run.fault in (None, run.role)


def _first_turn(run: PastRun) -> int:
    """The step from which the role must improve: the first, or in another role's run the role's first own step."""
    return 1 if run.started.role == run.role or not run.steps else run.steps[0].step


def _retry(ledger: Ledger, services: Services, requested: TrainingRequested, sampling: RetryPolicy, say: Say) -> None:
    """Let the model retry failed runs, in each environment that is available here."""
    recipe = Recipe.from_json(requested.recipe)
    places: dict[str, list[PastRun]] = {}
    for run in find_uncorrected(ledger, requested.role, requested.below_stars, recipe):
        if run.started.is_repeatable:
            places.setdefault(run.started.environment, []).append(run)
    for name, runs in places.items():
        ahead = LogAhead(ledger)
        ahead.foresee_all([UUID(run.id) for run in runs])
        failed = ((ahead.get(TaskRun, UUID(run.id)), _first_turn(run)) for run in runs)
        problem = f"failed runs of {name} are not tried again"
        with _skip_on_error(say, problem):
            services.prepare(requested.parent)
            place, report = services.environment(name), _reporter(say, problem)
            if any(recorded_bounds(run.started.policy) for run in runs):
                for adapter in sampling.others.values():
                    services.prepare(adapter)
            for _ in correct_by_retries(
                ledger, failed, place, services.model, sampling, ACTOR, on_fault=report, beside=services.beside
            ):
                pass


def live_adapters(services: Services) -> dict[str, str | None]:
    """The live adapter of each role that the run's model makes the steps of."""
    state = services.state
    return {role: state.traffic(role).stable for role in ROLES if state.policy.role_model(role) is None}


def _practise(
    ledger: Ledger, services: Services, requested: TrainingRequested, pages: int, sampling: RetryPolicy, say: Say
) -> None:
    """Let the model practise the tasks of the runs that are learnt from, in each environment that is available here.

    Where a task has been demonstrated, nothing is explored. The shortest way is often known only in hindsight, for
    instance which tab has the link. It would contradict the demonstration, which looks into one tab after another.
    """
    recipe, below = Recipe.from_json(requested.recipe), requested.below_stars
    is_shown: dict[tuple[str, str], bool] = {}
    for run in teaching_runs(ledger, requested.role, recipe):
        is_learnt = _is_uncorrected(run, below) or _is_corrected(run, below)
        if is_learnt and run.started.is_repeatable and run.started.role == requested.role:
            task = (run.started.environment, run.started.task)
            shows = run.correction is not None and run.correction.source != "retry"
            is_shown[task] = is_shown.get(task, False) or shows
    for environment in sorted({name for name, _ in is_shown}):
        for retries, is_wanted in ((sampling, False), (replace(sampling, exploration=0.0), True)):
            tasks = sorted(
                task for (place, task), shown in is_shown.items() if place == environment and shown == is_wanted
            )
            problem = f"tasks of {environment} are not practised"
            with _skip_on_error(say, problem):
                services.prepare(requested.parent)
                practise(ledger, services, requested, environment, tasks, pages, retries, _reporter(say, problem))


def _teach(ledger: Ledger, services: Services, past: PastRun, teacher: Teacher, tries: int, say: Say) -> None:
    run, name = ledger.get(TaskRun, UUID(past.id)), past.started.environment
    with _skip_on_error(say, f"the teacher cannot do failed runs of {name} again", but=(ModelError,)):
        correct_by_teacher(ledger, run, services.environment(name), teacher, tries, ACTOR, _first_turn(past))


@contextmanager
def _skip_on_error(say: Say, what: str, but: tuple[type[GrokputerError], ...] = ()) -> Iterator[None]:
    """Report a failure to ``say`` and continue, because the other corrections can still be learnt from. Errors of the
    log are raised."""
    try:
        yield
    except GrokputerError as error:
        if isinstance(error, (LogError, *but)):
            raise
        say(f"{what}: {error}")


def _reporter(say: Say, what: str) -> Callable[[GrokputerError], None]:
    return lambda error: say(f"{what}: {error}")


def _once(say: Say) -> Say:
    """The same function, but each line is reported once: a hundred runs may lack the same browser."""
    reported: set[str] = set()

    def tell(line: str) -> None:
        if line not in reported:
            reported.add(line)
            say(line)

    return tell
