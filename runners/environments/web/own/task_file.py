"""One task on a page as plain files: a folder with ``task.toml``, which names the URL and what there is at the end."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .....adapters.data.plain_files import read_plain_text
from ...sandbox.choice import find_sandbox
from ...sandbox.command import Limits
from ...sandbox.room import Room
from ...shell.layout import File, entries_of
from ...shell.task_file import FILE, VALUE, BadTask, Put, TaskReader, draw_values
from ..instance import Goal, Instance, Moment
from ..network.hosts import AllowList, BadAddress, read_place, read_url

KEYS = (
    *(
        "request",
        "url",
        "allow",
        "files",
        "visible",
        "address",
        "download",
        "element",
        "condition",
        "solution",
        "values",
    ),
    "seconds",
)
GOALS = ("visible", "address", "download", "element", "condition")
"""What may say when the task is done; one of them at least, and all that are given must hold."""

MOVES = ("CLICK", "DOUBLE", "RIGHT", "TYPE", "SELECT", "DRAG", "KEY", "SCROLL", "WAIT", "DONE")


def is_page_task(folder: Path) -> bool:
    """Whether the folder's task names a URL; False where it cannot be read."""
    try:
        return "url" in tomllib.loads(read_plain_text(folder / FILE))
    except (OSError, ValueError, RecursionError):
        return False


@dataclass(frozen=True)
class PageTask:
    """A task as it is written down."""

    requests: tuple[str, ...]
    """The wordings; seeds take them in turn."""
    url: str
    allow: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    visible: tuple[str, ...] = ()
    """Texts that lines of the page have."""
    address: str | None = None
    """The URL of the page; ``*`` stands for any characters."""
    download: Mapping[str, str | None] = field(default_factory=dict)
    """Texts of files that were downloaded, by name; None for any text."""
    element: tuple[str, ...] = ()
    """Whole lines of the page without their numbers, such as ``input.checkbox*:Agree``."""
    condition: str | None = None
    """A line of bash that exits with 0 in the folder of the run."""
    solution: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seconds: float | None = None

    def instance(self, name: str, seed: int) -> Instance:
        """The task from the seed. Raises ``BadTask`` where a drawn value makes another thing of the URL."""
        put = draw_values(self.values, name, seed)
        try:
            allowed = AllowList.of(put(self.url), map(put, self.allow))
        except BadAddress as error:
            raise BadTask([f"{name}: url with the values of seed {seed}: {error}"]) from None
        files = {put(path): put(content.decode()).encode() for path, content in self.files.items()}
        return Instance(
            put(self.requests[seed % len(self.requests)]),
            put(self.url),
            allowed,
            self._goal(put),
            tuple(map(put, self.solution)),
            files,
        )

    def _goal(self, put: Put) -> Goal:
        visible, elements = tuple(map(put, self.visible)), tuple(map(put, self.element))
        address = None if self.address is None else put(self.address)
        condition = None if self.condition is None else put(self.condition)
        download = {put(name): text if text is None else put(text) for name, text in self.download.items()}

        def is_done(moment: Moment) -> bool:
            lines = [line.rpartition("[")[0] for line in moment.lines if not line.startswith("address:")]
            return (
                all(any(text in line for line in lines) for text in visible)
                and all(element in lines for element in elements)
                and (address is None or fnmatchcase(moment.url, address))
                and all(_is_there(moment.folder / name, text) for name, text in download.items())
                and (condition is None or _holds(moment.folder, condition, self.seconds))
            )

        return is_done


def _is_there(path: Path, text: str | None) -> bool:
    """Whether the file is there, with this text; line breaks at its end do not matter."""
    if not path.is_file() or path.is_symlink():
        return False
    return text is None or path.read_bytes().decode("utf-8", "replace").rstrip("\r\n") == text.rstrip("\r\n")


def _holds(folder: Path, condition: str, seconds: float | None) -> bool:
    """Whether the command exits with 0 in a copy of the folder, in the sandbox."""
    files = {
        path.name: File(path.read_bytes()) for path in folder.iterdir() if path.is_file() and not path.is_symlink()
    }
    with Room() as room:
        room.lay_out(entries_of(files))
        limits = Limits() if seconds is None else Limits(seconds=seconds)
        return find_sandbox().run(room.folder, condition, limits, is_read_only=True).code == 0


def read_page_task(folder: Path) -> PageTask:
    """The task in the folder. Raises ``BadTask``."""
    reader = _PageReader(folder)
    return reader.require_right(reader.read_page())


class _PageReader(TaskReader):
    """Reads one folder with a task on a page, and collects what is wrong with it."""

    def read_page(self) -> PageTask | None:
        """The task, None where the file cannot be read at all; it is right where there are no ``mistakes``."""
        written = self._parse(KEYS, GOALS, "keys of a task with a url")
        if written is None:
            return None
        values = self._values(written.get("values", {}))
        task = PageTask(
            requests=self._texts(written, "request"),
            url=self._url(written),
            allow=self._hosts(written),
            files=self._uploads(written.get("files", {})),
            visible=self._texts(written, "visible"),
            address=self._text(written, "address"),
            download=self._download(written.get("download", {})),
            element=self._texts(written, "element"),
            condition=self._text(written, "condition"),
            solution=self._moves(written),
            values=values,
            seconds=self._seconds(written.get("seconds")),
        )
        self._check_names(written, values)
        return task

    def _url(self, written: Mapping[str, Any]) -> str:
        url = self._text(written, "url") or ""
        try:
            if url and not VALUE.search(url):
                read_url(url)
        except BadAddress as error:
            self.mistakes.append(f"{self.file}: url: {error}")
        return url

    def _hosts(self, written: Mapping[str, Any]) -> tuple[str, ...]:
        hosts = self._texts(written, "allow")
        for host in hosts:
            try:
                if not VALUE.search(host):
                    read_place(host)
            except BadAddress as error:
                self.mistakes.append(f"{self.file}: allow: {error}")
        return hosts

    def _uploads(self, written: object) -> dict[str, bytes]:
        found = {}
        for name, text in self._table("files", written).items():
            if not isinstance(text, str) or "/" in name or not self._is_path("files", name):
                self._wrong(
                    f"files.{name}", "cannot be laid out", "a page is given files by their names, without folders"
                )
            else:
                found[name] = text.encode()
        return found

    def _download(self, written: object) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for name, text in self._table("download", written).items():
            if text is not True and not isinstance(text, str):
                self._wrong(
                    f"download.{name}", f"cannot be {text!r}", "it is the text of the file, or true for any text"
                )
            elif self._is_path("download", name):
                found[name] = None if text is True else str(text)
        return found

    def _moves(self, written: Mapping[str, Any]) -> tuple[str, ...]:
        moves: Sequence[str] = self._texts(written, "solution")
        for move in moves:
            if move.partition(" ")[0] not in MOVES:
                self._wrong("solution", f"cannot have {move!r}", f"a move begins with one of {', '.join(MOVES)}")
        return tuple(moves)
