"""A trial of the alert channels: a test alert is sent by each now, and nothing is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from ...domain.aggregates.alert import CHANNELS, Delivery, Failure, delivery_id
from ...domain.aggregates.base import ACTOR
from ...domain.errors import ChannelNotReady
from ...domain.events import AlertRaised
from ..store.log import Log
from ..store.states import load_state
from .channels import open_channel


@dataclass(frozen=True)
class Trial:
    """The result of one channel."""

    channel: str
    to: str
    """The receiver's address, without secrets."""
    id: str
    """The id of the delivery, as the receiver gets it."""
    answer: str
    """The receiver's answer, or the reason of the failure."""
    is_delivered: bool


def try_channels(log: Log, channel: str | None = None) -> list[Trial]:
    """The result of each channel that is set, or of the named one. Raises ``ChannelNotReady`` where none is set."""
    policy = load_state(log).policy
    channels = [target for target in policy.channels.targets if channel in (None, target)]
    if not channels:
        keys = [CHANNELS[channel]] if channel else CHANNELS.values()
        raise ChannelNotReady(f"no channel to try; set {' or '.join(keys)}, see 'grokputer settings'")
    alert = AlertRaised(
        originator_id=uuid4(),
        originator_version=1,
        time=log.clock.now(),
        actor=ACTOR,
        kind="test",
        severity="warning",
        role="action",
        adapter=None,
        message=f"this is a test alert of the log {log.path.resolve().name}",
        by="",
    )
    trials = []
    for name in channels:
        delivery = Delivery(delivery_id(alert.originator_id, name), alert, 0)
        try:
            opened = open_channel(name, policy)
            to, answer = opened.to, opened.send(delivery, alert.time)
        except ChannelNotReady as error:
            to, answer = policy.channels.targets[name], Failure(str(error))
        is_delivered = not isinstance(answer, Failure)
        said = answer.reason if isinstance(answer, Failure) else str(answer)
        trials.append(Trial(name, to, delivery.id, said, is_delivered))
    return trials
