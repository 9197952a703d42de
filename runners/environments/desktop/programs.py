"""The programs that a desktop offers by RUN."""

from __future__ import annotations

import shutil

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
