"""A person's decisions on rollouts."""

from __future__ import annotations

from typing import Annotated

from ..runners.use_cases import rollouts
from .access import Access
from .arguments import Between, Text, checked


class Rollouts:
    """A person's decisions on rollouts; each method raises ``NotPossible`` where it is not allowed."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @checked
    def promote(self, adapter: Text, *, reason: Text, actor: Text | None = None) -> rollouts.RolloutDecision:
        """Give the adapter all runs of its role."""
        return rollouts.promote(self._access.ledger, adapter, reason=reason, actor=self._access.name(actor))

    @checked
    def roll_back(
        self, adapter: Text, *, reason: Text, to: Text | None = None, actor: Text | None = None
    ) -> rollouts.RolloutDecision:
        """Take the adapter's runs away, and give them to the adapter that was live before, or to ``to``."""
        return rollouts.roll_back(self._access.ledger, adapter, reason=reason, actor=self._access.name(actor), to=to)

    @checked
    def roll_forward(self, adapter: Text, *, reason: Text, actor: Text | None = None) -> rollouts.RolloutDecision:
        """Make an adapter live after its rollout is over."""
        return rollouts.roll_forward(self._access.ledger, adapter, reason=reason, actor=self._access.name(actor))

    @checked
    def abort(self, adapter: Text, *, reason: Text, actor: Text | None = None) -> rollouts.RolloutDecision:
        """End an undecided rollout."""
        return rollouts.abort(self._access.ledger, adapter, reason=reason, actor=self._access.name(actor))

    @checked
    def pause(self, adapter: Text, *, reason: Text, actor: Text | None = None) -> rollouts.RolloutDecision:
        """Stop automatic decisions on the rollout."""
        return rollouts.pause(self._access.ledger, adapter, reason=reason, actor=self._access.name(actor))

    @checked
    def resume(self, adapter: Text, *, reason: Text, actor: Text | None = None) -> rollouts.RolloutDecision:
        """Continue automatic decisions on a paused rollout."""
        return rollouts.resume(self._access.ledger, adapter, reason=reason, actor=self._access.name(actor))

    @checked
    def approve(self, adapter: Text, *, reason: Text, actor: Text | None = None) -> rollouts.RolloutDecision:
        """Take the step that waits for approval."""
        return rollouts.approve(self._access.ledger, adapter, reason=reason, actor=self._access.name(actor))

    @checked
    def set_share(
        self, adapter: Text, percent: Annotated[int, Between(1, 99)], *, reason: Text, actor: Text | None = None
    ) -> rollouts.RolloutDecision:
        """Set the canary's share of the runs, 1 to 99 percent."""
        return rollouts.set_share(self._access.ledger, adapter, percent, reason=reason, actor=self._access.name(actor))
