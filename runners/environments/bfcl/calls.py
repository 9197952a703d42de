"""Function calls in Python's form, ``search.books(title="Emma", limit=3)``: reading what a model wrote, writing a right one.

They are read as the package's own decoder reads them, whose source is ``bfcl_eval/model_handler/utils.py``: the names and
values that come out are the same. That decoder evaluates what a model wrote as a program; this one computes with numbers and
texts alone.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Call = dict[str, dict[str | None, Any]]
"""The arguments by name, under the function's name; ``**`` has no name."""

LONGEST = 8000
"""Characters of an answer that is read; chosen: ten times the longest right one."""

OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class NoCall(ValueError):
    """An answer that is no function call; the message says why."""


def read_calls(answer: str) -> list[Call]:
    """The calls in the answer. Raises ``NoCall``."""
    if len(answer) > LONGEST:
        raise NoCall(f"the answer is longer than {LONGEST} characters")
    text = answer.strip("`\n ")
    text = ("" if text.startswith("[") else "[") + text + ("" if text.endswith("]") else "]")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a model wrote, such as an unknown escape
            body = ast.parse(text.strip().strip("'"), mode="eval").body
            parts = [body] if isinstance(body, ast.Call) else _elements(body)
            return [_read_call(part) for part in parts]
    except NoCall:
        raise
    except SyntaxError as error:
        raise NoCall(f"it is not Python: {error.msg}") from None
    except (ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise NoCall(f"it cannot be read: {type(error).__name__}") from None


def _elements(body: ast.expr) -> list[ast.expr]:
    if isinstance(body, ast.List | ast.Tuple | ast.Set):
        return body.elts
    raise NoCall("it is an expression without a call")


def _read_call(node: ast.expr) -> Call:
    """The call; arguments without a name are left out, as the package does."""
    if not isinstance(node, ast.Call):
        raise NoCall("it has something beside the call")
    parts, function = list[str](), node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if isinstance(function, ast.Name):
        parts.append(function.id)
    return {".".join(reversed(parts)): {each.arg: _value(each.value) for each in node.keywords}}


def _value(node: ast.expr | None) -> Any:
    match node:
        case ast.Constant():
            return "..." if node.value is ... else node.value
        case ast.UnaryOp(operand=ast.Constant(value=int() | float() as number)):
            return -number  # whatever the sign is: so the package reads it
        case ast.List():
            return [_value(each) for each in node.elts]
        case ast.Tuple():
            return tuple(_value(each) for each in node.elts)
        case ast.Dict():
            return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}
        case ast.BinOp():
            return _compute(node)
        case ast.Name():
            return node.id
        case ast.Call():
            return _read_call(node) if node.keywords else ast.unparse(node)
        case ast.Subscript():
            return f"{ast.unparse(node.value)}[{ast.unparse(node.slice)}]"
    raise NoCall(f"a value is {type(node).__name__}, which is not read")


def _compute(node: ast.expr) -> Any:
    """The value of arithmetic with numbers, and of texts that are added."""
    match node:
        case ast.BinOp(op=operation) if type(operation) in OPERATIONS:
            left, right = _compute(node.left), _compute(node.right)
            are_texts = isinstance(left, str) and isinstance(right, str) and isinstance(operation, ast.Add)
            if are_texts or (not isinstance(left, str) and not isinstance(right, str)):
                return OPERATIONS[type(operation)](left, right)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Constant(value=int() | float() | str() as value):
            return value
    raise NoCall("a value has arithmetic that is not computed")


def write_call(name: str, schema: Mapping[str, Any], possible: Mapping[str, Sequence[Any]]) -> str:
    """A call of the function with the first possible value of each argument, without those that may be missing."""
    required = schema["parameters"].get("required", ())
    types = {argument: about.get("type") for argument, about in schema["parameters"]["properties"].items()}
    arguments = []
    for argument, values in possible.items():
        if "" in values and argument not in required:
            continue
        value = next(value for value in values if value != "")
        if types.get(argument) == "dict":
            value = _first_of_each(value)
        elif isinstance(value, list):
            value = [_first_of_each(each) for each in value]
        arguments.append(f"{argument}={value!r}")
    return f"{name}({', '.join(arguments)})"


def _first_of_each(value: Any) -> Any:
    """A possible dictionary has a list of possible values under each key; other values stand as they are."""
    if not isinstance(value, dict):
        return value
    listed = {key: of if isinstance(of, list) else [of] for key, of in value.items()}
    return {key: _first_of_each(of[0]) for key, of in listed.items() if of and "" not in of}
