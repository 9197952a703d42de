"""What of a desktop is missing, by the files of a system."""

from __future__ import annotations

from pathlib import Path

from grokputer.runners.environments.desktop.programs import DIALOGS, MODULES, OFFERED, find_missing

MODULES_FOLDER = "usr/lib/x86_64-linux-gnu/gtk-2.0/modules"


def system(root: Path) -> Path:
    """A system with all of a desktop."""
    names = [
        *(f"{MODULES_FOLDER}/{module}" for module in MODULES),
        *(f"usr/bin/{program}" for program in (DIALOGS, *OFFERED.values())),
        "usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    ]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_a_whole_desktop_lacks_nothing_and_an_empty_system_everything(tmp_path: Path) -> None:
    assert find_missing(system(tmp_path / "whole")) == []
    lacks = {each.package for each in find_missing(tmp_path / "empty")}
    assert lacks == {*MODULES.values(), DIALOGS, *OFFERED.values(), "fonts-dejavu-core"}


def test_without_the_bridge_the_windows_that_have_no_elements_are_named(tmp_path: Path) -> None:
    (system(tmp_path) / MODULES_FOLDER / "libatk-bridge.so").unlink()
    [bridge] = find_missing(tmp_path)
    assert (bridge.package, bridge.effect) == ("libatk-adaptor", "windows of pcmanfm and lxappearance have no elements")


def test_a_missing_program_or_font_says_what_cannot_be_done(tmp_path: Path) -> None:
    (system(tmp_path) / "usr/bin/zenity").unlink()
    (tmp_path / "usr/share/fonts/truetype/dejavu/DejaVuSans.ttf").unlink()
    assert [(each.package, each.effect) for each in find_missing(tmp_path)] == [
        ("zenity", "tasks with zenity cannot be done"),
        ("fonts-dejavu-core", "texts on windows cannot be read"),
    ]
