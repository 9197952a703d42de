"""Recording an imported set of examples as content of the log, so that every dataset can be built from the log alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...adapters.data.examples import Example, dataset_hash, encode_examples
from ...adapters.data.imports.public_set import UNKNOWN
from ...adapters.data.media_files import keys_in_examples
from ...domain.aggregates.example_set import ExampleSet, example_set_id
from ...domain.page.media import replace_keys

if TYPE_CHECKING:
    from ...adapters.data.imports.public_set import PublicSet
    from ..store.ledger import Ledger


def record_import(ledger: Ledger, read: PublicSet, role: str, license: str | None, actor: str) -> bool:
    """Record the set for the role; False when it was recorded before. Without ``license`` the set's own one is recorded.

    Raises ``BadText`` for a license that is not valid Unicode.
    """
    keys = {digest: ledger.put_picture(url) for digest, url in read.media.items()}
    kept = [_with_keys(example, keys) for example in read.examples] if keys else read.examples
    shown = set(keys_in_examples(kept))
    dataset = dataset_hash(kept)
    id = example_set_id(role, dataset)
    if ledger.get(ExampleSet, id).recorded is not None:
        return False
    fields: dict[str, Any] = {
        "role": role,
        "examples": ledger.put(encode_examples(kept).decode()),
        "dataset": dataset,
        "count": len(read.examples),
        "name": ledger.put(read.name, "the set's name"),
        "form": read.form,
        "left_out": read.left_out,
        "license": _put_license(ledger, license or read.license),
        "reasons": dict(read.reasons),
        "pictures": tuple(key for key in keys.values() if key in shown),
    }
    ledger.write(ExampleSet, id, lambda examples: examples.import_(ledger.context(actor), **fields))
    return True


def _with_keys(example: Example, keys: Mapping[str, str]) -> Example:
    """The example, in whose marks content keys stand in place of hashes."""
    return replace(
        example,
        messages=tuple({**message, "content": replace_keys(message["content"], keys)} for message in example.messages),
    )


def _put_license(ledger: Ledger, terms: str) -> str:
    """The terms as content; ``unknown`` is no text of a person and stays plain."""
    return terms if terms == UNKNOWN else ledger.put(terms, "the license")
