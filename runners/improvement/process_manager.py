"""The improvement process at work: it follows the log and carries out what follows from each event, once.

The events it leads to and how far it has come are stored in one transaction, so a process killed at any point, or two at
once, do each thing once. It follows from any command that writes; slow work (training, proof, looks at the canary) is not
done here but asked for in the log.
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
from ...domain.aggregates.training import TrainingJob
from ...domain.errors import InvalidRecipe, LogError, NotPossible
from ...domain.events import AdapterPromoted, AdapterRolledBack, RolloutStarted
from ...domain.process.commands import (
    CloseCycle,
    Command,
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
from ...projections.state.state import State
from ..store.codec import Recorded
from ..store.ledger import RACES, Ledger
from ..store.log import Log
from ..store.snapshots import is_due, is_last_kept, save_snapshot
from ..store.states import load_snapshot
from ..store.tables import are_tables_current, catch_up, prepare_tables
from ..store.writer import Transaction

NAME = "improvement"
TRACK = (
    "INSERT INTO tracking (application_name, notification_id) VALUES (?, ?) ON CONFLICT (application_name) "
    "DO UPDATE SET notification_id = MAX(notification_id, excluded.notification_id)"
)
"""How far the process has come where nothing followed; should a power cut take that back, nothing follows once more."""
A = TypeVar("A", bound=Aggregate)


def process_new_events(ledger: Ledger, known: State | None = None) -> State:
    """React to every event not reacted to yet, and return the state at the log's end.

    It goes on from the state that the caller knows, which is brought up to the end, or else from the newest kept one: what is
    before is never read again. Events between that and the process's own position are folded without a reaction; a few after
    it may have been reacted to before, and lead to nothing then.
    """
    done = max(ledger.tracked(NAME), ledger.followed)
    state = known if known is not None and _goes_on(ledger, known, done) else load_snapshot(ledger, done)
    prepare_tables(ledger)
    has_followed = True
    while has_followed:
        has_followed = False  # what follows from an event stands after all that were read with it
        for recorded in ledger.read(state.position + 1):
            state.apply(recorded.position, recorded.event)
            if is_due(state.position):
                save_state(ledger, state)
            if recorded.position > done and _react(ledger, recorded, state):
                done, has_followed = recorded.position, True
    is_behind = not are_tables_current(ledger)
    while is_behind:
        with ledger.changing_views() as connection:
            connection.execute(TRACK, (NAME, state.position))
            is_behind = catch_up(ledger, connection)
    ledger.followed = max(ledger.followed, state.position)
    return state


def _goes_on(ledger: Ledger, known: State, done: int) -> bool:
    """Whether one can go on from the known state: nothing after it was reacted to without it, and what it rests on is kept."""
    with ledger.reading() as connection:
        return known.position <= done and is_last_kept(connection, known.position)


def save_state(log: Log, state: State) -> None:
    """Keep the state for looking back; others write meanwhile or wait a few ms."""
    with log.changing_views() as connection:
        save_snapshot(connection, state)


def _react(ledger: Ledger, recorded: Recorded, state: State) -> bool:
    """Carry out what follows; False when nothing did. Another process that was first has done the same."""
    commands = decide(recorded.event, state)
    if not commands:
        return False

    def also(transaction: Transaction) -> None:
        catch_up(ledger, transaction.connection)

    for _ in range(RACES):
        context = ledger.context(ACTOR, recorded.event.reference)
        targets = [carry_out(ledger, command, state.policy, context) for command in commands]
        try:
            ledger.store(*targets, tracking=Tracking(NAME, recorded.position), also=also)
        except IntegrityError:
            if ledger.tracked(NAME) >= recorded.position:
                return True
            continue
        return True
    raise LogError(f"{ledger.path} is being written by too many at once; try again")


class Aggregates(Protocol):
    """Where aggregates are had from: the log as it is, or as it was."""

    def get(self, kind: type[A], id: UUID) -> A:
        """The aggregate, or a blank one."""
        ...


def carry_out(ledger: Aggregates, command: Command, policy: Policy, context: Context) -> Aggregate:
    """The command's aggregate after it has decided, with its events pending. A command that was done adds none."""
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
                rollout.promote(command.reason, context, cause="canary")
        case RollBackAdapter():
            if not rollout.is_over:
                rollout.roll_back(command.reason, context, cause=command.cause)
        case PauseRollout():
            rollout.pause(command.reason, context, cause=command.cause)
    return rollout


LIVE = (RolloutStarted.TOPIC, AdapterPromoted.TOPIC, AdapterRolledBack.TOPIC)
"""What changes where runs go: decisions of people that rest on this are taken anew when one of these is stored meanwhile."""


def open_cycle(ledger: Ledger, role: str, reason: str, actor: str) -> None:
    """Ask for a training of the role because a person says so; ``reason`` is the content key of the person's words, or ours.

    Raises ``NotPossible`` while a cycle is in flight, ``InvalidRecipe`` where a setting is out of range; nothing is recorded.
    """
    context = ledger.context(actor)

    def decide(it: RoleImprovement, state: State) -> None:
        resolve_recipe(state.policy, role)
        it.open(role, state.traffic(role).stable, reason, context)

    try:
        ledger.write_on_state(RoleImprovement, role_id(role), lambda: process_new_events(ledger), decide, LIVE)
    except NotPossible as error:
        raise NotPossible(ledger.say(str(error)), hint=error.hint) from None  # it names who asked before, and why


def _request_training(ledger: Aggregates, command: RequestTraining, policy: Policy, context: Context) -> TrainingJob:
    """Ask for the training. Decline it at once where the settings make no recipe: an older program let such in."""
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
    )
    return adapter
