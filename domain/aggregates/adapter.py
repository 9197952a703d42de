"""An adapter: trained LoRA weights under a name. It is proven and compared with its parent before it gets traffic."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ..errors import NotPossible
from ..events import (
    AdapterAnswered,
    AdapterEvaluated,
    AdapterPushed,
    AdapterPushFailed,
    AdapterRegistered,
    AdapterRejected,
    AdapterServed,
    AdapterUnserved,
    Event,
    HeldOutJudged,
    WeightsFound,
    WeightsMissed,
)
from ..verdict import Verdict
from ..vocabulary import Decision
from .base import Aggregate, Context, derive_id


def adapter_id(training: UUID) -> UUID:
    """The one adapter of a training."""
    return derive_id("adapter", training.hex)


def adapter_name(number: int) -> str:
    """``lora-v<N>``, N from 1 in the order of registration over all roles."""
    return f"lora-v{number}"


def tuned_identity(endpoint: str, model: str, dataset: str) -> str:
    """The identity of a model that its endpoint keeps, in place of a hash of weights: a hash of endpoint, name and dataset."""
    return f"tuned:{hashlib.sha256(chr(10).join((endpoint, model, dataset)).encode()).hexdigest()}"


def describe_tuned(name: str, endpoint: str, model: str) -> str:
    """The adapter as what it is, where it is a model that an endpoint keeps."""
    return f"{name} is the model {model} at {endpoint}, which keeps its weights"


class Adapter(Aggregate):
    """States: registered, proven (or answered, where an endpoint keeps it), judged by the gate; or rejected at any of these."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.registered: AdapterRegistered | None = None
        self.proof: AdapterEvaluated | AdapterAnswered | None = None
        self.judged: HeldOutJudged | None = None
        self.rejected: AdapterRejected | None = None
        self.served: dict[str, AdapterServed | AdapterUnserved] = {}
        """What each endpoint was last found to do with it, by its base URL."""
        self.is_missed = False
        """Whether its weights were missing from their folder at the last check."""
        self.pushed: AdapterPushed | AdapterPushFailed | None = None
        """The last push that is recorded, or its failure."""

    def register(self, context: Context, *, endpoint: str = "", model: str = "", **fields: Any) -> None:
        """Give the weights, or the model at the endpoint, a name. Idempotent."""
        if self.registered is None:
            self._record(AdapterRegistered, context, endpoint=endpoint, model=model, **fields)

    def evaluate(self, differs: bool, matches: bool, numbers: Mapping[str, Any], context: Context) -> None:
        """Judge the proof: reject the adapter unless its outputs differ from the base's and equal those its trainer
        recorded.

        ``numbers`` are the fields of ``AdapterEvaluated`` beside the names. Idempotent. Raises ``NotPossible`` before
        the registration.
        """
        names = self._names
        if self.proof is not None or self.rejected is not None:
            return
        if not differs:
            self.reject("served, it changes nothing: its outputs are the base's", context, numbers)
        elif not matches:
            self.reject("served, its outputs are not those its trainer recorded", context, numbers)
        else:
            self._record(AdapterEvaluated, context, **names, **numbers)

    def answer(self, numbers: Mapping[str, int], context: Context) -> None:
        """Judge whether a model at an endpoint answers by its name: reject it unless its answers differ from its base's on
        more prompts than the base's own do when it is asked twice.

        ``numbers`` are those of ``AdapterAnswered``. Idempotent. Raises ``NotPossible`` before the registration.
        """
        names = self._names
        assert self.registered is not None
        if self.proof is not None or self.rejected is not None:
            return
        if numbers["differ"] <= numbers["unsteady"]:
            reason = "by its name, it answers as its base does"
            if numbers["unsteady"]:
                reason += f", which answers otherwise itself when it is asked again ({numbers['unsteady']} prompts)"
            self.reject(reason, context, numbers)
        else:
            there = {"endpoint": self.registered.endpoint, "model": self.registered.model}
            self._record(AdapterAnswered, context, **names, **there, **numbers)

    def judge(self, judgement: Verdict, measured: str, up_to: int, context: Context) -> None:
        """Record the gate's verdict. Idempotent. Raises ``NotPossible`` before the proof."""
        names = self._names
        if self.proof is None:
            raise NotPossible(f"{names['adapter']} is not proven yet; its proof comes before the gate")
        if self.judged is not None or self.rejected is not None:
            return
        assert self.registered is not None
        self._record(
            HeldOutJudged,
            context,
            **names,
            parent=self.registered.parent,
            verdict=judgement.verdict,
            reason=judgement.reason,
            message=judgement.message,
            numbers=judgement.numbers,
            measured=measured,
            up_to=up_to,
        )

    def reject(self, reason: str, context: Context, numbers: Mapping[str, Any] | None = None) -> None:
        """Refuse the adapter before any traffic. After it has passed the gate this records nothing: its rollout
        decides."""
        names = self._names
        has_passed = self.judged is not None and self.judged.verdict == Decision.PASS
        if self.rejected is None and not has_passed:
            self._record(AdapterRejected, context, **names, reason=reason, numbers=dict(numbers or {}))

    def miss(self, serves: str, context: Context) -> None:
        """Record that its weights are missing while it serves as ``live`` or ``canary``. Idempotent."""
        if not self.is_missed:
            self._record(WeightsMissed, context, **self._names, weights=self._weights, serves=serves)

    def find(self, context: Context) -> None:
        """Record that missing weights are back. Idempotent."""
        if self.is_missed:
            self._record(WeightsFound, context, **self._names, weights=self._weights)

    def push(self, registry: str, context: Context) -> None:
        """Record that its weights are in the registry. Idempotent for one registry."""
        if not (isinstance(self.pushed, AdapterPushed) and self.pushed.registry == registry):
            self._record(AdapterPushed, context, **self._names, weights=self._weights, registry=registry)

    def fail_push(self, registry: str, reason: str, context: Context) -> None:
        """Record that its weights could not be pushed. Without effect where the last push to the registry is recorded."""
        if self.pushed is None or self.pushed.registry != registry:
            fields = {"weights": self._weights, "registry": registry, "reason": reason}
            self._record(AdapterPushFailed, context, **self._names, **fields)

    def serve(
        self,
        endpoint: str,
        boot: str,
        numbers: Mapping[str, Any],
        context: Context,
        *,
        problem: str = "",
        serves: str = "",
    ) -> None:
        """Record what the endpoint does with it since its start: it was proven to apply it, or there is a ``problem``.

        ``numbers`` are the fields of a proof, as in ``evaluate``; none where it was not loaded. ``serves`` is as in
        ``AdapterUnserved``. Idempotent.
        """
        last = self.served.get(endpoint)
        was, served = (last.reason, last.serves) if isinstance(last, AdapterUnserved) else ("", serves)
        if last is not None and (last.boot, was) == (boot, problem) and serves in ("", served):
            return
        what = {**self._names, "weights": self._weights, "endpoint": endpoint, "boot": boot}
        if problem:
            self._record(AdapterUnserved, context, **what, reason=problem, numbers=dict(numbers), serves=serves)
        else:
            self._record(AdapterServed, context, **what, **numbers)

    @property
    def _weights(self) -> str:
        assert self.registered is not None
        return self.registered.weights

    @property
    def _names(self) -> dict[str, str]:
        if self.registered is None:
            raise NotPossible(f"adapter {self.id.hex} is not registered")
        return {"role": self.registered.role, "adapter": self.registered.adapter}

    def _apply(self, event: Event) -> None:
        match event:
            case AdapterRegistered():
                self.registered = event
            case AdapterEvaluated() | AdapterAnswered():
                self.proof = event
            case HeldOutJudged():
                self.judged = event
            case AdapterRejected():
                self.rejected = event
            case AdapterServed() | AdapterUnserved():
                self.served[event.endpoint] = event
            case WeightsMissed() | WeightsFound():
                self.is_missed = isinstance(event, WeightsMissed)
            case AdapterPushed() | AdapterPushFailed():
                self.pushed = event
