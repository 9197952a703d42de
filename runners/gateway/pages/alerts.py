"""The alerts: open ones first, with how far each channel has delivered them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ....projections.wording.deliveries import say_delivery
from ....projections.wording.words import say_alert
from ...store.states import load_state
from ..site.visit import View, Visit
from .history import say_iso

if TYPE_CHECKING:
    from ....projections.state.alerts import Alert, Delivery

AT_ONCE = 50
"""Alerts of the past on one page; chosen."""
MOST = 1000


def list_alerts(visit: Visit) -> View:
    """The open alerts, then the newest of the others."""
    log = visit.ledger
    limit = visit.query.number("limit", 1, MOST) or AT_ONCE
    state = load_state(log)
    alerts = [*state.alerts]
    open_ = [alert for alert in reversed(alerts) if alert.is_open]
    over = [alert for alert in reversed(alerts) if not alert.is_open]
    now, tries = log.clock.now(), state.policy.channels.max_attempts

    def show(alert: Alert) -> dict[str, Any]:
        said = say_alert(alert, log.get_content)
        resolved = said.resolved
        return {
            **said.to_json(),
            "sent": _say_all(said.deliveries, now, tries),
            "news_sent": {} if resolved is None else _say_all(resolved.deliveries, now, tries),
            "has_rollout": said.adapter is not None and state.rollouts.of_adapter(said.adapter) is not None,
        }

    data = {
        "position": state.position,
        "open": [show(alert) for alert in open_],
        "over": [show(alert) for alert in over[:limit]],
        "over_in_all": len(over),
        "limit": limit,
        "channels": sorted(state.policy.channels.targets),
    }
    return View("alerts", "Alerts", data)


def _say_all(deliveries: dict[str, Delivery], now: datetime, tries: int) -> dict[str, str]:
    """By channel, how far its delivery is, in words."""
    return {channel: say_delivery(delivery, now, tries, say_iso) for channel, delivery in deliveries.items()}
