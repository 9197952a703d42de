"""The package ``bfcl-eval``, whose data and checker the tasks are made of: where it is, and that it is the known one.

It is installed without its dependencies, among them the clients of forty models. So only a few of its files are read, and
each must have the hash that is noted here: an edited task or checker would make another benchmark of it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from ....domain.errors import EnvironmentUnavailable

PACKAGE = "bfcl_eval"
VERSION = "2026.3.23"
INSTALL = f"pip install --no-deps bfcl-eval=={VERSION}"
"""Without its dependencies, whose pinned versions are not those of this program."""

QUESTIONS = {
    "simple": "data/BFCL_v4_simple_python.json",
    "multiple": "data/BFCL_v4_multiple.json",
}
"""The questions of each category, one a line."""
ANSWERS = {
    "simple": "data/possible_answer/BFCL_v4_simple_python.json",
    "multiple": "data/possible_answer/BFCL_v4_multiple.json",
}
"""Their possible answers."""

CHECKER = "eval_checker.ast_eval.ast_checker"
HASHES = {
    QUESTIONS["simple"]: "82dd63ba502eb2520c6b5d1d9a5c4b590e03ff261565175561f6228a367d1991",
    QUESTIONS["multiple"]: "aef168155ebd74b7ac2401198b201343bc7d16d7a3d7e0d4e6d8ee82c6969b2a",
    ANSWERS["simple"]: "90cd5bc653690ee8e459b5b3f3fc9458606f7f3fcbf795bb51b7dc581f8c86dc",
    ANSWERS["multiple"]: "244e00ce9395df948bcafc7bee64e8f9c87ef70887587d83cae45b13699f3047",
    "eval_checker/ast_eval/ast_checker.py": "2aae7a68461a8f76c0be3894c8901b66b56967a1989d3ab066051e3fb97f1538",
    "eval_checker/ast_eval/type_convertor/java_type_converter.py": (
        "2fd4f4b0443b3dd974a1723bb4e45c086d7b352631062da7807ad1ad40706604"
    ),
    "eval_checker/ast_eval/type_convertor/js_type_converter.py": (
        "a114e9ff75c025cb52787ac33d6c2fbaa390905c6125a2b3c6afebab232bb5e4"
    ),
    "constants/enums.py": "2182becfa2a1d071ee1db30db593b4758c6bf866aa12d2d4b8daf09175ea518a",
    "constants/type_mappings.py": "1702fb67afbe2c492608e58e2b7d02e46381f50166b47f3c952f76e34c7cd3bd",
}
"""The SHA-256 of every file that is used."""

MODELS = "constants.model_config"
"""The module that the checker asks whether a model writes ``_`` for ``.`` in names. It imports a client for each model."""
MODEL = "grokputer"
"""The name under which the checker is asked: a model that writes names as they are."""


def find_package() -> Path:
    """The folder of the installed package. Raises ``EnvironmentUnavailable`` where it is not installed."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise EnvironmentUnavailable(
            f"the tasks of BFCL are in the package bfcl-eval, which is not installed; run: {INSTALL}"
        )
    return Path(found.origin).parent


def read_file(name: str, folder: Path | None = None) -> str:
    """The text of the package's file. Raises ``EnvironmentUnavailable`` where it is missing, or not that of ``VERSION``."""
    path = (folder or find_package()) / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged(path, f"cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != HASHES[name]:
        raise _damaged(path, f"is not the file of bfcl-eval {VERSION}")
    return content.decode("utf-8")


def _damaged(path: Path, what: str) -> EnvironmentUnavailable:
    return EnvironmentUnavailable(f"{path} {what}; run: {INSTALL} --force-reinstall")


def load_checker() -> Any:
    """The package's module with ``ast_checker``, as it is. Raises ``EnvironmentUnavailable``.

    Beside it, a stand-in for the list of models answers the one question that the checker asks that list.
    """
    for name in HASHES:
        read_file(name)
    with _standing_in(f"{PACKAGE}.{MODELS}", MODEL_CONFIG_MAPPING={MODEL: SimpleNamespace(underscore_to_dot=False)}):
        return import_module(f"{PACKAGE}.{CHECKER}")


@contextmanager
def _standing_in(name: str, **members: object) -> Iterator[None]:
    """Let a module with these members be imported under the name, and afterwards the real one again."""
    before, module = sys.modules.get(name), ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
