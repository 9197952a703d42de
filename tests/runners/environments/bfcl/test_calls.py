"""Function calls as text: what is read, what is refused, and that nothing a model writes is carried out."""

from __future__ import annotations

import ast
import operator
from pathlib import Path
from typing import Any

import pytest
from bfcl_package import needs_bfcl
from hypothesis import given
from hypothesis import strategies as st

from grokputer.runners.environments.bfcl.calls import LONGEST, NoCall, read_calls, write_call
from grokputer.runners.environments.bfcl.entries import read_entries
from grokputer.runners.environments.bfcl.package import find_package

READ = {
    "area(base=10, height=-2.5)": [{"area": {"base": 10, "height": -2.5}}],
    "```\nmath.area(unit='cm')\n```": [{"math.area": {"unit": "cm"}}],
    "[a(x=[1, (2, 3)], y={'k': True}), b()]": [{"a": {"x": [1, (2, 3)], "y": {"k": True}}}, {"b": {}}],
    "f(x=2 * 3 + 1, y='a' + 'b', z=-(2 + 1) if 0 else 1)": None,
    "f(x=2 * 3 + 1, y='a' + 'b', z=10 % 4)": [{"f": {"x": 7, "y": "ab", "z": 2}}],
    "f(5, x=total, y=g(1), z=h(k=1), u=a[0], **more)": [
        {"f": {"x": "total", "y": "g(1)", "z": {"h": {"k": 1}}, "u": "a[0]", None: "more"}}
    ],
    "[]": [],
    "f(x=...)": [{"f": {"x": "..."}}],
    "The area is 5": None,
    "def f(): pass": None,
    "f(x=1) + 1": None,
    "5": None,
    "f(x={1, 2})": None,
    "f(x=f'{y}')": None,
    "f(x={[]: 1})": None,
    "f(x=1 % 0)": None,
    "f(x=lambda: 1)": None,
    "f(\0)": None,
    "": [],
}


@pytest.mark.parametrize("answer", READ)
def test_an_answer_is_read_as_calls_or_is_no_call(answer: str) -> None:
    if (calls := READ[answer]) is not None:
        assert read_calls(answer) == calls
    else:
        with pytest.raises(NoCall):
            read_calls(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "f(x=__import__('pathlib').Path('touched').touch() + 1)",
        "f(x=1 + open('touched', 'w').write('x'))",
        "f(x='a' * 10 ** 9)",
        "f(x=9 ** 9 ** 9 ** 9)",
        "f(x=[1] * 10 ** 9)",
        "(" * 5000,
        "f(x=" + "-" * 5000 + "1)",
        "f(x=" + "1+" * 3000 + "1)",
        "f(x=" + "1" * LONGEST + ")",
    ],
)
def test_code_in_an_answer_is_not_carried_out(answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoCall):
        read_calls(answer)
    assert not list(tmp_path.iterdir())


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=60) | st.text(alphabet="f(x=1,'[{]}:)+-*\n `", max_size=40)
)
def test_any_text_is_read_or_refused(answer: str) -> None:
    try:
        calls = read_calls(answer)
    except NoCall:
        return
    assert all(len(call) == 1 for call in calls)


def test_a_right_call_has_the_first_possible_values_and_leaves_out_what_may_be_missing() -> None:
    properties = {"x": {"type": "integer"}, "y": {"type": "dict"}, "z": {"type": "array"}, "u": {"type": "float"}}
    schema = {"name": "f", "parameters": {"properties": properties, "required": ["x", "u"]}}
    possible: dict[str, list[Any]] = {
        "x": [3, 4],
        "y": [{"a": ["one", "two"], "b": ["", 2]}],
        "z": [[{"a": [1]}, {"a": [2]}]],
        "u": ["", 1.5],
        "v": ["", "left out"],
    }
    assert write_call("f", schema, possible) == "f(x=3, y={'a': 'one'}, z=[{'a': 1}, {'a': 2}], u=1.5)"


def package_decoder() -> Any:
    """The functions of the package that read a call; the module that they are in imports clients of models."""
    tree = ast.parse((find_package() / "model_handler" / "utils.py").read_text(encoding="utf-8"))
    names = {"default_decode_ast_prompting", "ast_parse", "resolve_ast_call", "resolve_ast_by_type"}
    functions: list[ast.stmt] = [it for it in tree.body if isinstance(it, ast.FunctionDef) and it.name in names]
    assert len(functions) == len(names)
    space: dict[str, Any] = {"ast": ast, "operator": operator, "ReturnFormat": type("Forms", (), {"PYTHON": 1})}
    exec(compile(ast.Module(functions, []), "utils.py", "exec"), space)
    return space["default_decode_ast_prompting"]


class TestBesideThePackagesOwnDecoder:
    pytestmark = needs_bfcl

    def test_every_right_call_is_read_alike(self) -> None:
        decode = package_decoder()
        for entry in read_entries():
            assert read_calls(entry.answer) == decode(entry.answer)

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("answer", READ)
    def test_other_answers_are_read_alike(self, answer: str) -> None:
        try:
            expected = package_decoder()(answer)
        except Exception:
            expected = None
        assert READ[answer] == expected
