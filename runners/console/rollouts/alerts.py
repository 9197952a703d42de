"""Alerts: the list of them, whether each channel delivered them, and a test of the channels."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ....projections.wording.deliveries import say_delivery
from ....projections.wording.words import say_alert
from ..hints import suggest
from ..options import DEFAULT_DB, AsJson, Db, is_for_subcommand, open_log
from ..rendering import Branch, print_json, print_line, print_tree, show_time

if TYPE_CHECKING:
    from ....projections.state.alerts import Alert

alerts = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)


@alerts.callback()
def list_alerts(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 20,
    is_open: Annotated[bool, typer.Option("--open", help="Only open ones, which nothing has resolved yet.")] = False,
    db: Db = DEFAULT_DB,
    as_json: AsJson = False,
) -> None:
    """List the alerts and whether they arrived, or try the channels.

    'grokputer work' prints each alert, and sends it by the channels that were on when it was raised: alert.webhook,
    signed with GROKPUTER_WEBHOOK_SECRET, and alert.email_to.

    \b
    Examples:
      grokputer alerts --open
      grokputer alerts test
    """
    if is_for_subcommand(context):
        return
    from ...store.states import load_state

    log = open_log(db)
    state = load_state(log)
    shown = [alert for alert in state.alerts if alert.is_open or not is_open][-limit:]
    shown = [say_alert(alert, log.get_content) for alert in shown]
    if as_json:
        print_json([alert.to_json() for alert in shown])
        return
    if not shown:
        print_line("no alerts")
    for alert in shown:
        print_tree(_describe(alert, log.clock.now(), state.policy.channels.max_attempts))
    about = [alert.adapter for alert in shown if alert.is_open and alert.adapter in state.registry.adapters]
    suggest(f"why {about[-1]}" if about else "status", db)


def _describe(alert: Alert, now: datetime, tries: int) -> Branch:
    """The alert's line, and below it its message and the state of its delivery by each channel."""
    about = " ".join(filter(None, (alert.role, alert.adapter)))
    open_ = ", open" if alert.is_open else ""
    line = f"{alert.position}  {show_time(alert.time)}  {alert.kind} ({alert.severity}), {about}{open_}"
    deliveries = (
        f"{channel}: {say_delivery(delivery, now, tries, show_time)}" for channel, delivery in alert.deliveries.items()
    )
    return Branch(line, [Branch(alert.message), *map(Branch, deliveries), *_describe_end(alert, now, tries)])


def _describe_end(alert: Alert, now: datetime, tries: int) -> list[Branch]:
    """The line of the alert's resolution, and below it its message and the state of its delivery by each channel."""
    resolved = alert.resolved
    if resolved is None:
        return []
    deliveries = (
        Branch(f"{channel}: {say_delivery(delivery, now, tries, show_time)}")
        for channel, delivery in resolved.deliveries.items()
    )
    line = f"resolved {show_time(resolved.time)}, at position {resolved.position}"
    return [Branch(line, [Branch(resolved.message), *deliveries])]


@alerts.command("test")
def try_channels(
    channel: Annotated[
        Literal["webhook", "email"] | None, typer.Option(help="Only this one; default: every one that is set.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Send a test alert now, and print the result.

    Nothing is recorded. Exits with 1 when it did not arrive by each channel.

    \b
    Examples:
      grokputer alerts test
      grokputer alerts test --channel email
    """
    from ...alerts.trial import try_channels as try_all

    trials = try_all(open_log(db), channel)
    for trial in trials:
        if trial.is_delivered:
            print_line(f"{trial.channel} to {trial.to}: delivered: {trial.answer}, id {trial.id}")
        else:
            print_line(f"{trial.channel} to {trial.to}: NOT delivered: {trial.answer}")
    if not all(trial.is_delivered for trial in trials):
        raise typer.Exit(1)
