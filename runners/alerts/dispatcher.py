"""The dispatcher: it sends the pending deliveries of the log, one at a time, and records each attempt.

Recording follows sending. So if the dispatcher is killed in between, the alert is sent again, under the same id.
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
from ...projections.state.alerts import PendingDelivery
from ...projections.wording.sentences import describe
from ...projections.wording.words import reveal
from ..store.ledger import Ledger
from ..store.states import fold, load_state
from .channels import open_channel


class AlertDispatcher:
    """Delivers for one log. In memory it keeps only which channel pauses after a failure, and which is not ready."""

    def __init__(self, ledger: Ledger, say: Callable[[str], None]) -> None:
        self.ledger = ledger
        self.say = say
        self._state = load_state(ledger)
        self._paused_until: dict[str, datetime] = {}
        self._not_ready: dict[str, str] = {}

    def step(self) -> bool:
        """Make the first delivery that is due; False when none is."""
        state, now = fold(self.ledger, self._state), self.ledger.clock.now()
        for pending in state.alerts.owed():
            if pending.due > now or self._paused_until.get(pending.channel, now) > now:
                continue
            channel = self._open(pending.channel, state.policy)
            if channel is not None:
                self._attempt(pending, channel, state.policy, now)
                return True
        return False

    def _open(self, name: str, policy: Policy) -> Channel | None:
        """The channel; None while its settings or secrets are not in order. Its alerts then wait without using up attempts."""
        try:
            channel = open_channel(name, policy)
        except ChannelNotReady as error:
            if self._not_ready.get(name) != str(error):
                self.say(f"alerts by {name} wait: {error}")
            self._not_ready[name] = str(error)
            return None
        self._not_ready.pop(name, None)
        return channel

    def _attempt(self, pending: PendingDelivery, channel: Channel, policy: Policy, now: datetime) -> None:
        event, name, to = self.ledger.at(pending.position).event, pending.channel, channel.to
        id, is_over = event.originator_id, isinstance(event, AlertResolved)
        answer = channel.send(self._delivery(pending, event), now)
        context = self.ledger.context(ACTOR, event.reference)
        if isinstance(answer, Failure):
            self.ledger.write(
                Alert, id, lambda alert: alert.fail(name, to, answer, policy, context, is_resolved=is_over)
            )
            # Other alerts need not wait as long as this one, but a channel that has just failed pauses for a while.
            self._paused_until[name] = now + timedelta(seconds=max(answer.after_s, policy.channels.retry_s))
        else:
            self.ledger.write(Alert, id, lambda alert: alert.deliver(name, to, answer, context, is_resolved=is_over))
        self.say(f"alert at position {pending.position} {describe(self.ledger.history(id)[-1].event)}")
        if isinstance(answer, Failure) and answer.is_final:
            self._turn_off(name, policy.channels.targets.get(name), f"{to} accepts no more alerts: {answer.reason}")

    def _delivery(self, pending: PendingDelivery, event: Event) -> Delivery:
        """The alert to send, or its end, with texts in place of content keys."""
        id, content = event.originator_id, self.ledger.get_content
        if not isinstance(event, AlertResolved):
            assert isinstance(event, AlertRaised)
            return Delivery(delivery_id(id, pending.channel), reveal(event, content), pending.position)
        raised = self.ledger.history(id)[0].event
        assert isinstance(raised, AlertRaised)
        own, first = delivery_id(id, pending.channel, is_resolved=True), delivery_id(id, pending.channel)
        return Delivery(own, reveal(raised, content), pending.position, reveal(event, content), first)

    def _turn_off(self, channel: str, target: str | None, reason: str) -> None:
        """Unset the channel, because the receiver accepts nothing more, unless it has a new target by now."""
        key, context = CHANNELS[channel], self.ledger.context(ACTOR)

        def turn_off(settings: Settings) -> None:
            if settings.policy.channels.targets.get(channel) == target:
                settings.change(key, None, reason, context)

        self.ledger.write(Settings, SETTINGS_ID, turn_off)
        self.say(f"{key} is turned off: {reason}; set it to turn it on again")
