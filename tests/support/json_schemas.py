"""The part of JSON Schema that the gateway's description uses: whether a value fits, and values of Hypothesis that fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]

KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None),
}  # fmt: skip
UNDERSTOOD = {
    *(
        "$ref",
        "anyOf",
        "type",
        "enum",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
    ),
    *("minLength", "maxLength", "pattern", "minimum", "maximum", "format", "description", "examples"),
}


def misfits(value: Any, schema: Schema, schemas: Mapping[str, Schema], at: str = "$") -> list[str]:
    """Where the value does not fit the schema, in words; empty where it fits."""
    assert schema.keys() <= UNDERSTOOD, schema.keys() - UNDERSTOOD
    if "$ref" in schema:
        return misfits(value, schemas[schema["$ref"].rpartition("/")[2]], schemas, at)
    if "anyOf" in schema:
        found = [misfits(value, each, schemas, at) for each in schema["anyOf"]]
        return [] if [] in found else [f"{at} fits none: {found}"]
    kind = schema["type"]
    if not _is_of(value, kind):
        return [f"{at} is {value!r}, not {kind}"]
    if kind == "object":
        return _misfits_of_object(value, schema, schemas, at)
    if kind == "array":
        is_short = not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        inner = [each for n, item in enumerate(value) for each in misfits(item, schema["items"], schemas, f"{at}[{n}]")]
        return [f"{at} has {len(value)} items"] * is_short + inner
    wrong = [
        "enum" in schema and value not in schema["enum"],
        "pattern" in schema and not re.search(schema["pattern"], value),
        kind == "string" and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)),
        kind in ("integer", "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value),
    ]
    return [f"{at} is {value!r}, which {schema} does not allow"] if any(wrong) else []


def _is_of(value: object, kind: str) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _misfits_of_object(value: Any, schema: Schema, schemas: Mapping[str, Schema], at: str) -> list[str]:
    found = [f"{at} has no {name}" for name in schema.get("required", ()) if name not in value]
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in properties:
            found += misfits(item, properties[name], schemas, f"{at}.{name}")
        elif more is False:
            found.append(f"{at} has {name}")
        elif isinstance(more, Mapping):
            found += misfits(item, more, schemas, f"{at}.{name}")
    return found


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
"""Any JSON at all, with half characters and numbers that JSON does not have."""


def values_of(schema: Schema, schemas: Mapping[str, Schema]) -> st.SearchStrategy[Any]:
    """Values that fit the schema, and now and then junk in place of one of their parts."""
    return st.integers(0, 19).flatmap(lambda die: JUNK if die == 0 else _fitting(schema, schemas))


def _fitting(schema: Schema, schemas: Mapping[str, Schema]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _fitting(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return st.one_of([_fitting(each, schemas) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            required = schema.get("required", ())
            parts = {name: values_of(each, schemas) for name, each in schema.get("properties", {}).items()}
            optional = {name: each for name, each in parts.items() if name not in required}
            return st.fixed_dictionaries({name: parts[name] for name in required}, optional=optional)
        case "array":
            most = min(schema.get("maxItems", 3), 3)
            return st.lists(values_of(schema["items"], schemas), min_size=schema.get("minItems", 0), max_size=most)
        case "string":
            return _texts(schema)
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "number":
            return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False)
        case "boolean":
            return st.booleans()
    return st.none()


def _texts(schema: Schema) -> st.SearchStrategy[Any]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    if "examples" in schema:
        return st.sampled_from(schema["examples"])
    return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 40), 40))
