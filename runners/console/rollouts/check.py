"""A rollout's health as an exit status, for scripts and for health checks of containers."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from ...explain.rollout_health import Health, check_rollout
from ..options import open_log
from ..rendering import print_json, print_line

STATUS = {Health.HEALTHY: 0, Health.FAILING: 1, Health.UNDECIDED: 2}
"""The exit status of each health."""


USAGE_ERROR: Any = typer.BadParameter.__base__
"""The class of all usage errors; typer gives no name to it."""


class CheckCommand(TyperCommand):
    """A command whose usage errors exit with 1: with 2 they would look like a verdict."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """The context. A usage error keeps its words and takes another status."""
        try:
            return super().make_context(*args, **extra)
        except USAGE_ERROR as error:
            error.exit_code = STATUS[Health.FAILING]
            raise


def print_health(db: str, adapter: str, as_json: bool) -> None:
    """Print the health of the adapter's rollout, and exit with its status. Raises ``UnknownAdapter``."""
    from ...store.states import load_state
    from ...wiring.services import require_adapter

    log = open_log(db)
    state = load_state(log)
    require_adapter(adapter, state.registry.adapters)
    checked = check_rollout(state, adapter)
    reason = log.say(checked.reason)
    if as_json:
        print_json({"adapter": adapter, "role": checked.role, "health": checked.health, "reason": reason})
    else:
        print_line(f"{adapter} is {checked.health}: {reason}")
    raise typer.Exit(STATUS[checked.health])
