"""The programs that a desktop offers by RUN, and what of a whole desktop is missing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from .screen.parts import PATH

OFFERED = {
    "mousepad": "mousepad",
    "l3afpad": "l3afpad",
    "featherpad": "featherpad",
    "pcmanfm": "pcmanfm",
    "galculator": "galculator",
    "lxappearance": "lxappearance",
}
"""Each program's name and its command: editors, a file manager, a calculator and settings. None of them is a shell."""


def is_installed(program: str) -> bool:
    """Whether it is installed where programs of a desktop are looked for."""
    return shutil.which(program, path=PATH) is not None


DIALOGS = "zenity"
"""The program that shows the dialogs of tasks."""

MODULES = {"libatk-bridge.so": "libatk-adaptor", "libgail.so": "libgail-common"}
"""What makes programs of GTK 2 tell their elements, and Debian's packages of them. Those of GTK 3 and Qt 5 bring it along."""

OF_GTK_2 = ("pcmanfm", "lxappearance")
"""The offered programs that are built on GTK 2."""


@dataclass(frozen=True)
class Missing:
    """Something without which a desktop works less well."""

    package: str
    """Debian's package of it."""
    effect: str
    """What is not possible without it."""


def find_missing(root: Path = Path("/")) -> list[Missing]:
    """What a desktop lacks beside the programs that it cannot start without; empty where it is complete.

    ``root`` is where the system's folders are.
    """
    found = []
    for module, package in MODULES.items():
        if not any(
            any((root / "usr").glob(f"{folder}/gtk-2.0/modules/{module}")) for folder in ("lib", "lib64", "lib/*")
        ):
            found.append(Missing(package, f"windows of {' and '.join(OF_GTK_2)} have no elements"))
    places = [root / folder.lstrip("/") for folder in PATH.split(":")]
    for program in (DIALOGS, *OFFERED.values()):
        if not any((place / program).exists() for place in places):
            found.append(Missing(program, f"tasks with {program} cannot be done"))
    fonts = (root / "usr/share/fonts", root / "usr/local/share/fonts")
    if not any(file.suffix in (".ttf", ".otf", ".ttc", ".pfb") for folder in fonts for file in folder.rglob("*")):
        found.append(Missing("fonts-dejavu-core", "texts on windows cannot be read"))
    return found
