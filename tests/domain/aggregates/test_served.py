"""What endpoints do with an adapter, as facts of it: once for each start of an endpoint and each outcome."""

from __future__ import annotations

from typing import Any

from given import SOMEONE, Given, given
from grokputer.domain.aggregates.adapter import Adapter
from grokputer.domain.events import AdapterServed, AdapterUnserved

NUMBERS: dict[str, Any] = {"prompts": 4, "effect": 1.5, "error": 0.01, "rounding": 0.008, "max_difference": 0.02}
REGISTERED: dict[str, Any] = {
    "role": "action", "adapter": "lora-v1", "weights": "sha256:ff", "dataset": "sha256:dd", "base": "embedded",
    "base_hash": "sha256:00", "config_hash": "sha256:11", "parent": None, "training": "ab",
}  # fmt: skip
HERE, THERE = "http://one/v1", "http://two/v1"


def registered(*decisions: Any) -> Given[Adapter]:
    return given(Adapter, lambda it: it.register(SOMEONE, **REGISTERED), *decisions)


def test_a_proof_at_an_endpoint_is_one_fact_for_each_of_its_starts() -> None:
    def serve(endpoint: str, boot: str) -> Any:
        return lambda it: it.serve(endpoint, boot, NUMBERS, SOMEONE)

    fields = {"weights": "sha256:ff", "endpoint": HERE, "boot": "1", "adapter": "lora-v1", **NUMBERS}
    registered().when(serve(HERE, "1")).then((AdapterServed, fields))
    registered(serve(HERE, "1")).when(serve(HERE, "1")).then_nothing()
    registered(serve(HERE, "1")).when(serve(THERE, "1")).then((AdapterServed, {"endpoint": THERE}))
    registered(serve(HERE, "1")).when(serve(HERE, "2")).then((AdapterServed, {"boot": "2"}))


def test_an_endpoint_that_does_not_apply_it_is_another_fact_with_its_reason() -> None:
    def refuse(it: Adapter) -> None:
        it.serve(HERE, "1", {}, SOMEONE, problem="its rank is 24")

    registered().when(refuse).then((AdapterUnserved, {"reason": "its rank is 24", "numbers": {}}))
    registered(refuse).when(refuse).then_nothing()
    registered(refuse).when(lambda it: it.serve(HERE, "1", NUMBERS, SOMEONE)).then((AdapterServed, {"boot": "1"}))


def test_a_refusal_is_recorded_again_where_the_adapter_has_got_runs_since() -> None:
    def refuse(serves: str) -> Any:
        return lambda it: it.serve(HERE, "1", {}, SOMEONE, problem="its rank is 24", serves=serves)

    registered(refuse("")).when(refuse("canary")).then((AdapterUnserved, {"serves": "canary"}))
    registered(refuse("canary")).when(refuse("live")).then((AdapterUnserved, {"serves": "live"}))
    registered(refuse("live")).when(refuse("live")).then_nothing()
    registered(refuse("live")).when(refuse("")).then_nothing()


def test_an_adapter_that_is_not_registered_is_served_nowhere() -> None:
    given(Adapter).when(lambda it: it.serve(HERE, "1", NUMBERS, SOMEONE)).then_refused("is not registered")
