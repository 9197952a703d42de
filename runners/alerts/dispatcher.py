"""The courier: it makes the deliveries that the log owes, one at a time, and records how each attempt went.

What is recorded follows the sending, so an alert whose courier is killed in between is sent again, under the same id.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from ...domain.aggregates.alert import CHANNELS, Alert, Delivery, Failure, delivery_id
from ...domain.aggregates.base import ACTOR
from ...domain.aggregates.settings import SETTINGS_ID, Settings
from ...domain.errors import ChannelNotReady
from ...domain.events import AlertRaised, AlertResolved, Event
from ...domain.ports import Channel
from ...domain.settings.settings import Policy
from ...projections.explain.sentences import describe
from ...projections.explain.words import reveal
from ...projections.state.alerts import PendingDelivery
from ..store.ledger import Ledger
from ..store.states import fold, load_state
from .channels import open_channel


class AlertDispatcher:
    """Delivers for one log. Of its own it keeps only which channel rests after a failure, and which is not ready."""

    def __init__(self, ledger: Ledger, say: Callable[[str], None]) -> None:
        self.ledger = ledger
        self.say = say
        self._state = load_state(ledger)
        self._rests: dict[str, datetime] = {}
        self._not_ready: dict[str, str] = {}

    def step(self) -> bool:
        """Make the first delivery that is due now; False when there is none to make."""
        state, now = fold(self.ledger, self._state), self.ledger.clock.now()
        for owed in state.alerts.owed():
            if owed.due > now or self._rests.get(owed.channel, now) > now:
                continue
            channel = self._open(owed.channel, state.policy)
            if channel is not None:
                self._attempt(owed, channel, state.policy, now)
                return True
        return False

    def _open(self, name: str, policy: Policy) -> Channel | None:
        """The channel, None while its settings or secrets are not in order; then its alerts wait, and no attempt is spent."""
        try:
            channel = open_channel(name, policy)
        except ChannelNotReady as error:
            if self._not_ready.get(name) != str(error):
                self.say(f"alerts by {name} wait: {error}")
            self._not_ready[name] = str(error)
            return None
        self._not_ready.pop(name, None)
        return channel

    def _attempt(self, owed: PendingDelivery, channel: Channel, policy: Policy, now: datetime) -> None:
        told, name, to = self.ledger.at(owed.position).event, owed.channel, channel.to
        id, is_over = told.originator_id, isinstance(told, AlertResolved)
        answer = channel.send(self._delivery(owed, told), now)
        context = self.ledger.context(ACTOR, told.reference)
        if isinstance(answer, Failure):
            self.ledger.write(
                Alert, id, lambda alert: alert.fail(name, to, answer, policy, context, is_resolved=is_over)
            )
            # Another alert need not wait as long as this one, but what has just failed is left alone a little.
            self._rests[name] = now + timedelta(seconds=max(answer.after_s, policy.channels.retry_s))
        else:
            self.ledger.write(Alert, id, lambda alert: alert.deliver(name, to, answer, context, is_resolved=is_over))
        self.say(f"alert at position {owed.position} {describe(self.ledger.history(id)[-1].event)}")
        if isinstance(answer, Failure) and answer.is_final:
            self._turn_off(name, policy.channels.targets.get(name), f"{to} wants no more alerts: {answer.reason}")

    def _delivery(self, owed: PendingDelivery, told: Event) -> Delivery:
        """The alert that is told, or the word that it is resolved, in people's words."""
        id, content = told.originator_id, self.ledger.get_content
        if not isinstance(told, AlertResolved):
            assert isinstance(told, AlertRaised)
            return Delivery(delivery_id(id, owed.channel), reveal(told, content), owed.position)
        raised = self.ledger.history(id)[0].event
        assert isinstance(raised, AlertRaised)
        own, first = delivery_id(id, owed.channel, is_resolved=True), delivery_id(id, owed.channel)
        return Delivery(own, reveal(raised, content), owed.position, reveal(told, content), first)

    def _turn_off(self, channel: str, target: str | None, reason: str) -> None:
        """The receiver wants nothing more: unset the channel, unless it has been set to another meanwhile."""
        key, context = CHANNELS[channel], self.ledger.context(ACTOR)

        def turn_off(settings: Settings) -> None:
            if settings.policy.channels.targets.get(channel) == target:
                settings.change(key, None, reason, context)

        self.ledger.write(Settings, SETTINGS_ID, turn_off)
        self.say(f"{key} is turned off: {reason}; set it again to turn it on")
