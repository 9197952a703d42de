"""The package of BFCL: missing or damaged, it is one line; and its checker is loaded as it is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bfcl_package import needs_bfcl
from command_line import call

from grokputer.runners.environments.bfcl import entries, judge, package, split


@pytest.fixture
def uncached() -> Iterator[None]:
    """Whatever was read of the package is read again, before and after."""
    caches = (entries.read_entries, split.split_entries, judge._checker)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uncached: None) -> Iterator[Path]:
    """A copy of the package's files in use, which Python finds first."""
    source = package.find_package()
    for name in ("__init__.py", *package.HASHES):
        (tmp_path / "site" / package.PACKAGE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, tmp_path / "site" / package.PACKAGE / name)
    for name in loaded():
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield tmp_path / "site" / package.PACKAGE
    for name in loaded():  # those of the copy
        del sys.modules[name]


def loaded() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == package.PACKAGE]


def refused(out: Path, *words: str) -> str:
    result = call("bench", "bfcl", "--out", out, *words)
    assert result.exit_code == 1, result.output
    assert not out.exists()
    [line] = result.stderr.splitlines()
    return line


def test_a_package_that_is_not_installed_is_one_line_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uncached: None
) -> None:
    monkeypatch.setattr(package, "find_spec", lambda name: None)
    line = refused(tmp_path / "bench")
    assert line.endswith("which is not installed; run: pip install --no-deps bfcl-eval==2026.3.23")


def test_arguments_that_cannot_be_are_one_line(tmp_path: Path) -> None:
    out = tmp_path / "bench"
    assert "there is no split 11; give a seed from 1 to 10" in refused(out, "--seed", "11")
    assert "give growing numbers from 1" in refused(out, "--corrections", "240,120")
    assert "give growing numbers from 1" in refused(out, "--corrections", "many")
    assert "give 3 to 150" in refused(out, "--tested", "151")
    assert "give 1 to 8" in refused(out, "--shots", "0")
    assert "give key=value" in refused(out, "--set", "training.epochs")
    assert "no benchmark was started" in refused(out, "--resume")
    assert "no benchmark was started" in refused(out, "--from-log")
    assert "cannot be read" in refused(out, "--also", str(tmp_path / "nothing.txt"))


class TestOfTheRealPackage:
    pytestmark = needs_bfcl

    @pytest.mark.parametrize("name", sorted(package.HASHES))
    def test_a_damaged_file_is_one_line(self, name: str, copied: Path, tmp_path: Path) -> None:
        (copied / name).write_text("{}\n" + (copied / name).read_text())
        line = refused(tmp_path / "bench")
        assert f"{name} is not the file of bfcl-eval 2026.3.23; run: pip install --no-deps" in line

    def test_a_missing_file_is_one_line(self, copied: Path, tmp_path: Path) -> None:
        (copied / "data" / "BFCL_v4_multiple.json").unlink()
        assert "BFCL_v4_multiple.json cannot be read: No such file" in refused(tmp_path / "bench")

    def test_the_checker_is_the_packages_own_and_the_stand_in_is_gone(self, copied: Path) -> None:
        module = package.load_checker()
        assert Path(module.__file__) == copied / "eval_checker" / "ast_eval" / "ast_checker.py"
        assert f"{package.PACKAGE}.constants.model_config" not in sys.modules
        assert not {"openai", "anthropic", "tree_sitter"} & {name for name in vars(module) if not name.startswith("__")}
