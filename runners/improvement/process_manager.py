"""The process manager: it follows the log and carries out what follows from each event, once.

The resulting events and the manager's position are stored in one transaction. So a process killed at any point, or two
at once, have the effect of one. Any command that writes calls it. Slow work (training, proof, gate) is not done here
but requested in the log.
"""

from __future__ import annotations

from typing import Protocol, TypeVar
from uuid import UUID

from eventsourcing.persistence import IntegrityError, Tracking

from ...domain.aggregates.adapter import Adapter
from ...domain.aggregates.alert import Alert
from ...domain.aggregates.base import ACTOR, Aggregate, Context
from ...domain.aggregates.role import RoleImprovement, role_id
from ...domain.aggregates.rollout import Rollout
from ...domain.aggregates.run import TaskRun
from ...domain.aggregates.training import TrainingJob
from ...domain.errors import InvalidRecipe, NotPossible
from ...domain.events import AdapterPromoted, AdapterRolledBack, RolloutStarted
from ...domain.process.commands import (
    CloseCycle,
    Command,
    JudgeRun,
    LookAtRatings,
    PauseRollout,
    PromoteAdapter,
    RaiseAlert,
    RecordVerdict,
    RegisterAdapter,
    RejectAdapter,
    RequestTraining,
    ResolveAlert,
    RollBackAdapter,
    StartRollout,
    WeighCanary,
)
from ...domain.process.improvement import decide
from ...domain.settings.settings import Policy, resolve_recipe
from ...domain.vocabulary import RolloutCause
from ...projections.state.state import State
from ..store.codec import Recorded
from ..store.ledger import Ledger
from ..store.log import Log
from ..store.recorder import TRACK
from ..store.snapshots import is_due, is_last_kept, save_snapshot
from ..store.states import load_snapshot
from ..store.tables import are_tables_current, catch_up, prepare_tables
from ..store.writer import Transaction

NAME = "improvement"
A = TypeVar("A", bound=Aggregate)


def process_new_events(ledger: Ledger, known: State | None = None) -> State:
    """React to every new event, and return the state at the log's end.

    It continues from the caller's state if possible, or else from the newest snapshot; earlier events are not read
    again. Events between that state and the manager's own position are folded without a reaction. A few events after it
    may have been handled before; handling them again has no effect.
    """
    tracked = ledger.tracked(NAME)
    known = ledger.unless_doubtful(known)
    handled = max(tracked, ledger.followed)
    state = known if known is not None and _can_continue(ledger, known, handled) else load_snapshot(ledger, handled)
    prepare_tables(ledger)
    has_followed = True
    while has_followed:
        has_followed = False  # resulting events come after all events of this read
        for recorded in ledger.read(state.position + 1):
            state.apply(recorded.position, recorded.event)
            if is_due(state.position):
                save_state(ledger, state)
            if recorded.position > handled and _react(ledger, recorded, state):
                handled, has_followed = recorded.position, True
    is_behind = not are_tables_current(ledger)
    while is_behind:
        with ledger.changing_views() as connection:
            # If a power cut undoes it, handling these events again has no effect.
            connection.execute(TRACK, (NAME, state.position))
            is_behind = catch_up(ledger, connection)
    ledger.followed = max(ledger.followed, state.position)
    ledger.note_folded(state)
    return state


def _can_continue(ledger: Ledger, known: State, done: int) -> bool:
    """Whether the known state can be continued: no event after it was handled without it, and its snapshots exist."""
    with ledger.reading() as connection:
        return known.position <= done and is_last_kept(connection, known.position)


def save_state(log: Log, state: State) -> None:
    """Save a snapshot of the state; other writers may wait a few ms."""
    with log.changing_views() as connection:
        save_snapshot(connection, state)


def _react(ledger: Ledger, recorded: Recorded, state: State) -> bool:
    """Carry out what follows from the event; False when nothing did. If another process was first, it has done the same."""
    commands = decide(recorded.event, state)
    if not commands:
        return False

    def also(transaction: Transaction) -> None:
        catch_up(ledger, transaction.connection)

    def react() -> None:
        context = ledger.context(ACTOR, recorded.event.reference)
        targets = [carry_out(ledger, command, state.policy, context) for command in commands]
        try:
            ledger.store(*targets, tracking=Tracking(NAME, recorded.position), also=also)
        except IntegrityError:
            if ledger.tracked(NAME) < recorded.position:
                raise

    ledger.until_stored(react)
    return True


class Aggregates(Protocol):
    """A source of aggregates: the log now, or as of an earlier position."""

    def get(self, kind: type[A], id: UUID) -> A:
        """The aggregate, or a blank one."""
        ...


def carry_out(ledger: Aggregates, command: Command, policy: Policy, context: Context) -> Aggregate:
    """The command's aggregate after its decision, with pending events. A command that was already done adds none."""
    match command:
        case LookAtRatings(window):
            role = ledger.get(RoleImprovement, role_id(window.role))
            role.look(window, policy, context)
            return role
        case CloseCycle():
            role = ledger.get(RoleImprovement, role_id(command.role))
            role.close(command.role, command.outcome, command.detail, command.total, context)
            return role
        case RequestTraining():
            return _request_training(ledger, command, policy, context)
        case RegisterAdapter():
            return _register(ledger, command, context)
        case RejectAdapter():
            adapter = ledger.get(Adapter, command.adapter)
            adapter.reject(command.reason, context, command.numbers)
            return adapter
        case RaiseAlert():
            alert = ledger.get(Alert, command.alert)
            alert.raise_(command.notice, context)
            return alert
        case JudgeRun():
            run = ledger.get(TaskRun, command.run)
            run.judge(command.succeeded, command.source, context)
            return run
        case ResolveAlert():
            alert = ledger.get(Alert, command.alert)
            alert.resolve(command.message, context)
            return alert
        case StartRollout():
            rollout = ledger.get(Rollout, command.rollout)
            fields = {name: value for name, value in vars(command).items() if name != "rollout"}
            rollout.start(context, **fields)
            return rollout
    rollout = ledger.get(Rollout, command.rollout)
    match command:
        case RecordVerdict():
            rollout.assess(command.verdict, command.up_to, context)
        case WeighCanary():
            if not rollout.is_share_by_hand:
                rollout.weigh(command.weight_percent, context)
        case PromoteAdapter():
            if not rollout.is_over:
                rollout.promote(command.reason, context, cause=RolloutCause.CANARY)
        case RollBackAdapter():
            if not rollout.is_over:
                rollout.roll_back(command.reason, context, cause=command.cause)
        case PauseRollout():
            rollout.pause(command.reason, context, cause=command.cause)
    return rollout


LIVE = (RolloutStarted.TOPIC, AdapterPromoted.TOPIC, AdapterRolledBack.TOPIC)
"""The events that change where runs go: a person's decision that depends on this is repeated when one is stored meanwhile."""


def open_cycle(ledger: Ledger, role: str, reason: str, actor: str) -> None:
    """Request a training of the role for a person; ``reason`` is the content key of the person's text, or plain text of
    the program.

    Raises ``NotPossible`` while a cycle is open, ``InvalidRecipe`` where a setting is out of range; nothing is recorded then.
    """
    context = ledger.context(actor)

    def decide(improvement: RoleImprovement, state: State) -> None:
        resolve_recipe(state.policy, role)
        improvement.open(role, state.traffic(role).stable, reason, context)

    try:
        ledger.write_on_state(RoleImprovement, role_id(role), lambda: process_new_events(ledger), decide, LIVE)
    except NotPossible as error:
        raise NotPossible(
            ledger.say(str(error)), hint=error.hint
        ) from None  # it names the earlier requester and the reason


def _request_training(ledger: Aggregates, command: RequestTraining, policy: Policy, context: Context) -> TrainingJob:
    """Request the training. Decline it at once where the settings make no valid recipe: an older program allowed that."""
    job = ledger.get(TrainingJob, command.training)
    if job.requested is not None:
        return job
    minimum = policy.training(command.role).min_examples
    job.request(
        context,
        role=command.role,
        base=policy.model.base,
        revision=policy.model.revision,
        parent=command.parent,
        recipe=policy.recipe_figures(command.role),
        minimum_examples=minimum,
        below_stars=policy.training(command.role).learn_below_stars,
        retries=policy.training(command.role).retries,
    )
    try:
        resolve_recipe(policy, command.role)
    except InvalidRecipe as error:
        job.decline(str(error), 0, minimum, 0, context)
    return job


def _register(ledger: Aggregates, command: RegisterAdapter, context: Context) -> Adapter:
    adapter = ledger.get(Adapter, command.adapter)
    completed = command.completed
    requested = ledger.get(TrainingJob, completed.originator_id).requested
    assert requested is not None
    adapter.register(
        context,
        role=completed.role,
        adapter=command.name,
        weights=completed.weights,
        dataset=completed.dataset,
        base=requested.base,
        base_hash=completed.base_hash,
        config_hash=completed.config_hash,
        parent=requested.parent,
        training=completed.originator_id.hex,
        endpoint=completed.endpoint,
        model=completed.model,
    )
    return adapter
