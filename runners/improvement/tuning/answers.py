"""Hearing a model that an endpoint tuned, before any traffic: it must answer by its name, otherwise than its base does."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import UUID

from ....adapters.data.media_files import keys_in_examples
from ....domain.aggregates.adapter import Adapter
from ....domain.aggregates.base import ACTOR
from ....domain.aggregates.training import TrainingJob
from ....domain.errors import EnvironmentUnavailable, ModelError, NotServed, UnknownAdapter
from ...agent.inputs import read_media
from ...lessons.datasets import rebuild_dataset
from ...store.ledger import Ledger
from ...wiring.services import Services

if TYPE_CHECKING:
    from ....adapters.data.examples import Example
    from ....projections.state.registry import Adapter as Known

REPLAY = "replay"
"""The source of examples that the base may well know: they are asked last."""


def hear(ledger: Ledger, services: Services, known: Known) -> Adapter:
    """Record that the model answers by its name, or that it is rejected.

    Raises ``NotServed`` and ``EnvironmentUnavailable`` where the endpoint does not answer: that is no fault of the model.
    """
    from ....adapters.tuning.answers import compare_answers

    services.prepare(known.name)
    job = ledger.get(TrainingJob, UUID(known.training))
    examples = sorted(rebuild_dataset(ledger, job).examples, key=lambda example: example.source == REPLAY)
    lessons = (example for example in examples if _is_whole(ledger, example))
    longest = services.state.policy.run(known.role).max_tokens
    try:
        answers = compare_answers(
            services.model,
            known.name,
            lessons,
            lambda example: read_media(ledger, keys_in_examples([example])),
            longest,
        )
    except UnknownAdapter as error:
        raise NotServed(str(error)) from error
    except ModelError as error:
        raise EnvironmentUnavailable(str(error)) from error
    context = ledger.context(ACTOR, f"{known.uuid}/1")
    return ledger.write(Adapter, known.uuid, lambda adapter: adapter.answer(asdict(answers), context))


def _is_whole(ledger: Ledger, example: Example) -> bool:
    """Whether no picture of the example was erased."""
    keys = keys_in_examples([example])
    return len(read_media(ledger, keys)) == len(keys)
