"""Recording a set of examples from outside: content of the log from then on, so every dataset can be built from it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...adapters.data.examples import dataset_hash, encode_examples
from ...domain.aggregates.example_set import ExampleSet, example_set_id
from ...domain.errors import InvalidExamples

if TYPE_CHECKING:
    from ...adapters.data.imports.public_set import PublicSet
    from ..store.ledger import Ledger


def record_import(ledger: Ledger, read: PublicSet, role: str, license: str | None, actor: str) -> bool:
    """Record the set for the role; False when it was recorded before. The license is the set's own where none is given.

    Raises ``InvalidExamples`` for a license that is no UTF-8.
    """
    try:
        (license or "").encode()
    except UnicodeEncodeError as error:
        raise InvalidExamples(f"the license {license!r} is not UTF-8; write it in UTF-8") from error
    dataset = dataset_hash(read.examples)
    id = example_set_id(role, dataset)
    if ledger.get(ExampleSet, id).recorded is not None:
        return False
    fields = {
        "role": role,
        "examples": ledger.put(encode_examples(read.examples).decode()),
        "dataset": dataset,
        "count": len(read.examples),
        "name": read.name,
        "form": read.form,
        "left_out": read.left_out,
        "license": license or read.license,
        "reasons": dict(read.reasons),
    }
    ledger.write(ExampleSet, id, lambda it: it.import_(ledger.context(actor), **fields))
    return True
