"""The files of a run: those that a page may be given, and those that it downloads, in one folder of the run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 64 << 20
"""Bytes of one download; chosen: far more than a task needs."""

MOST_ALL = 256 << 20
"""Bytes of all downloads of a run."""

MOST_DOWNLOADS = 20
"""Downloads of a run."""

LONGEST_NAME = 100


@dataclass
class Download:
    """One download."""

    name: str
    """Its name in the folder."""
    state: str = "begun"
    """``begun``, ``done``, ``stopped`` or ``failed``."""
    size: int = 0
    """Bytes so far."""
    total: int = 0
    """Bytes in all; 0 where the server does not say."""
    why: str = ""
    """Why it was stopped."""


class Downloads:
    """The folder of a run, and the downloads into it. ``cancel`` stops a download by its id."""

    def __init__(self, folder: Path, cancel: Callable[[str], None]) -> None:
        self.folder = folder
        self.arriving = folder.parent / "arriving"
        """Where the browser writes, each file under the id of its download."""
        self._cancel = cancel
        self.known: dict[str, Download] = {}
        for place in (self.folder, self.arriving):
            place.mkdir(mode=0o700)

    def begin(self, id: str, name: str) -> None:
        """Take a new download, or stop it where there are too many."""
        download = self.known[id] = Download(self._free_name(name))
        if len(self.known) > MOST_DOWNLOADS:
            if len(self.known) > 2 * MOST_DOWNLOADS:
                del self.known[id]
            self._stop(id, download, f"a run may download {MOST_DOWNLOADS} files")

    def progress(self, id: str, state: str, size: int, total: int) -> None:
        """Note how far it is, and stop it where it is too large; one that is complete goes into the folder."""
        download = self.known.get(id)
        if download is None or download.state != "begun":
            return
        download.size, download.total = size, total
        all_bytes = sum(each.size for each in self.known.values())
        if max(size, total) > MOST_BYTES:
            self._stop(id, download, f"it has more than {MOST_BYTES >> 20} MB")
        elif all_bytes > MOST_ALL:
            self._stop(id, download, f"the downloads of a run may have {MOST_ALL >> 20} MB")
        elif state == "completed":
            self._keep(id, download)
        elif state == "canceled":
            download.state = "failed"

    @property
    def is_busy(self) -> bool:
        """Whether a download is under way."""
        return any(download.state == "begun" for download in self.known.values())

    def files(self) -> list[str]:
        """The names of the files in the folder, sorted."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_file() and not path.is_symlink())

    def _keep(self, id: str, download: Download) -> None:
        try:
            shutil.move(self.arriving / id, self.folder / download.name)
            download.state = "done"
        except OSError:
            download.state = "failed"

    def _stop(self, id: str, download: Download, why: str) -> None:
        download.state, download.why = "stopped", why
        self._cancel(id)

    def _free_name(self, name: str) -> str:
        """A name for the file that leads out of no folder, hides nothing and is not taken."""
        plain = re.sub(r"[^\w .()-]+", "_", name.replace("\\", "/").rpartition("/")[2]).strip(" .")
        stem, dot, ending = (plain[-LONGEST_NAME:] or "file").partition(".")
        taken = {download.name for download in self.known.values()} | {path.name for path in self.folder.iterdir()}
        numbers = (f"{stem}-{number}{dot}{ending}" for number in range(2, 1000))
        return next(each for each in (f"{stem}{dot}{ending}", *numbers) if each not in taken)
