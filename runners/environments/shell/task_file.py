"""One task as plain files: a folder with ``task.toml``, and perhaps a folder ``files`` with what lies there at the start.

Whatever is wrong is told, all of it, each in one line with the file, the key, the value and what is allowed.
"""

from __future__ import annotations

import random
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ....domain.errors import EnvironmentUnavailable
from ..sandbox.room import is_inside
from ..sandbox.tree import Tree
from .instance import Goal, Instance, Moment, is_answer
from .layout import Content, File, folders_above

FILE = "task.toml"
FILES = "files"

KEYS = ("request", "files", "answer", "condition", "expect", "solution", "values", "seconds")
GOALS = ("answer", "condition", "expect")
"""What may say when the task is done; one of them at least, and all that are given must hold."""

MOST_FILES = 200
MOST_BYTES = 1 << 20
"""Files at the start, and their bytes together; chosen: laid out again for every run."""

LONGEST_S = 60

VALUE = re.compile(r"@(\w+)@")


class BadTask(EnvironmentUnavailable):
    """A task folder with mistakes; ``mistakes`` has a line for each."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        more = f" (and {len(mistakes) - 1} more mistakes; see 'grokputer tasks check')" if len(mistakes) > 1 else ""
        super().__init__(f"{mistakes[0]}{more}")
        self.mistakes = tuple(mistakes)


Task = TypeVar("Task")
Put = Callable[[str], str]
"""Puts values into a text."""


def draw_values(values: Mapping[str, tuple[str, ...]], name: str, seed: int) -> Put:
    """Draws one value of each list from the seed; what puts each where ``@name@`` is written."""
    draw = random.Random(f"{name}/{seed}")
    drawn = {key: draw.choice(known) for key, known in values.items()}
    return lambda text: VALUE.sub(lambda found: drawn.get(found[1], found[0]), text)


@dataclass(frozen=True)
class TaskFile:
    """A task as it is written down."""

    requests: tuple[str, ...]
    """The wordings; seeds take them in turn."""
    files: Mapping[str, Content]
    answer: str | None = None
    condition: str | None = None
    expect: Mapping[str, str | None] = field(default_factory=dict)
    """Texts by path; None where nothing may be."""
    solution: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lists by name; each seed draws one of each, which stands wherever ``@name@`` is written."""
    seconds: float | None = None

    def instance(self, name: str, seed: int) -> Instance:
        """The task from the seed. Raises ``BadTask`` where a drawn value leads a path out of the folder."""
        put = draw_values(self.values, name, seed)
        files = {
            put(path): put(content) if isinstance(content, str) else content for path, content in self.files.items()
        }
        for path in files:
            if not is_inside(path):
                raise BadTask(
                    [
                        f"{name}: files cannot have the path {path!r} with the values of seed {seed}; a path lies in the folder"
                    ]
                )
        return Instance(
            put(self.requests[seed % len(self.requests)]),
            files,
            self._goal(put),
            tuple(map(put, self.solution)),
            seconds=self.seconds,
        )

    def _goal(self, put: Put) -> Goal:
        answer = None if self.answer is None else put(self.answer)
        condition = None if self.condition is None else put(self.condition)
        expect = {put(path): text if text is None else put(text) for path, text in self.expect.items()}

        def is_done(moment: Moment) -> bool:
            if answer is not None and not is_answer(moment.output, answer):
                return False
            if not all(_is_there(moment.tree, path, text) for path, text in expect.items()):
                return False
            return condition is None or moment.run(condition) == 0

        return is_done


def _is_there(tree: Tree, path: str, text: str | None) -> bool:
    """Whether the path is as expected; line breaks at the end of a file do not matter."""
    entry = tree.entries.get(path.rstrip("/"))
    if text is None or entry is None:
        return text is None and entry is None
    if path.endswith("/"):
        return entry.kind == "folder"
    return entry.kind == "file" and entry.content is not None and entry.text.rstrip("\n") == text.rstrip("\n")


def read_task(folder: Path) -> TaskFile:
    """The task in the folder. Raises ``BadTask``."""
    reader = TaskReader(folder)
    return reader.require_right(reader.read())


class TaskReader:
    """Reads one task folder, and collects what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / FILE
        self.mistakes: list[str] = []

    def read(self) -> TaskFile | None:
        """The task, None where the file cannot be read at all; it is right where there are no ``mistakes``."""
        written = self._parse(KEYS, GOALS, "keys")
        if written is None:
            return None
        values = self._values(written.get("values", {}))
        files = self._files(written.get("files", {}))
        task = TaskFile(
            requests=self._texts(written, "request"),
            files=files,
            answer=self._text(written, "answer"),
            condition=self._text(written, "condition"),
            expect=self._expect(written.get("expect", {})),
            solution=self._texts(written, "solution"),
            values=values,
            seconds=self._seconds(written.get("seconds")),
        )
        self._check_names(written, values)
        return task

    def require_right(self, task: Task | None) -> Task:
        """The task that was read. Raises ``BadTask`` with all mistakes."""
        if task is None or self.mistakes:
            raise BadTask(self.mistakes)
        return task

    def _parse(self, keys: Sequence[str], goals: Sequence[str], called: str) -> dict[str, Any] | None:
        """What the file has under its keys; None where it cannot be read. ``goals`` are keys of which it needs one."""
        written = self._load()
        if written is None:
            return None
        for key in written.keys() - set(keys):
            self._wrong(key, "is no key", f"{called} are {', '.join(keys)}")
        if not written.keys() & set(goals):
            first, *others, last = goals
            self._wrong(first, f"is missing, and so are {', '.join(others)} and {last}", "give at least one of them")
        if "request" not in written:
            self._wrong("request", "is missing", "say what is to be done, in a text or a list of texts")
        return written

    def _load(self) -> dict[str, Any] | None:
        try:
            if self.file.is_fifo() or self.file.is_socket() or self.file.is_char_device():  # reading could never end
                self.mistakes.append(f"{self.file} is no ordinary file; write the task in one, see docs/own-tasks.md")
                return None
            return tomllib.loads(self.file.read_bytes().decode())
        except FileNotFoundError:
            self.mistakes.append(f"{self.folder} has no {FILE}; write one, see docs/own-tasks.md")
        except OSError as error:
            self.mistakes.append(f"{self.file} cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            self.mistakes.append(f"{self.file} is not UTF-8 text: byte {error.start} cannot be read; save it as UTF-8")
        except tomllib.TOMLDecodeError as error:
            self.mistakes.append(f"{self.file} is not TOML: {error}")
        except RecursionError:
            self.mistakes.append(f"{self.file} is nested too deep; lists and tables here have one level")
        except ValueError as error:  # a number with more digits than Python reads
            self.mistakes.append(f"{self.file} cannot be read: {error}")
        return None

    def _wrong(self, key: str, what: str, allowed: str) -> None:
        self.mistakes.append(f"{self.file}: {key} {what}; {allowed}")

    def _text(self, written: Mapping[str, Any], key: str) -> str | None:
        value = written.get(key)
        if isinstance(value, str) and value.strip() and "\0" not in value:
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool) and key == "answer":
            return str(value)
        if key in written:
            self._wrong(key, f"cannot be {value!r}", "it is a text that is not empty")
        return None

    def _texts(self, written: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = written.get(key, ())
        listed = [value] if isinstance(value, str) else value
        is_right = isinstance(listed, (list, tuple)) and all(isinstance(line, str) for line in listed)
        lines = [line.strip() for line in listed] if is_right else []
        if (key in written and not lines) or not all(line and line.isprintable() for line in lines):
            self._wrong(key, f"cannot be {value!r}", "it is one line of text or a list of such lines, none empty")
        return tuple(lines)

    def _seconds(self, value: object) -> float | None:
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= LONGEST_S:
            return float(value)
        self._wrong("seconds", f"cannot be {value!r}", f"it is a number over 0 and up to {LONGEST_S}")
        return None

    def _values(self, written: object) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for name, listed in self._table("values", written).items():
            is_list = isinstance(listed, list) and bool(listed)
            if (
                not re.fullmatch(r"\w+", name)
                or not is_list
                or not all(isinstance(value, (str, int)) for value in listed)
            ):
                self._wrong(
                    f"values.{name}", f"cannot be {listed!r}", "it is a list of texts, under a name of one word"
                )
            else:
                found[name] = tuple(map(str, listed))
        return found

    def _expect(self, written: object) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for path, text in self._table("expect", written).items():
            if self._is_path("expect", path) and not isinstance(text, str) and text is not False:
                self._wrong(f"expect.{path}", f"cannot be {text!r}", "it is a text, or false where nothing may be")
            else:
                found[path] = text or (None if text is False else "")
        return found

    def _files(self, written: object) -> dict[str, Content]:
        found: dict[str, Content] = {}
        for path, text in self._table("files", written).items():
            if self._is_path("files", path) and not isinstance(text, str):
                self._wrong(f"files.{path}", f"cannot be {text!r}", "it is the text of the file")
            elif isinstance(text, str):
                found[path] = text
        for path, content in self._copied():
            if path in found:
                self._wrong(f"files.{path}", f"is also in the folder {FILES}", "leave one of them out")
            found[path] = content
        self._check_files(found)
        return found

    def _check_files(self, found: Mapping[str, Content]) -> None:
        if len(found) > MOST_FILES:
            self._wrong("files", f"are {len(found)}", f"at most {MOST_FILES} are laid out")
        contents = (file.content if isinstance(file, File) else file for file in found.values())
        size = sum(
            len(text.encode() if isinstance(text, str) else text) for text in contents if isinstance(text, (str, bytes))
        )
        if size > MOST_BYTES:
            self._wrong("files", f"have {size} bytes", f"at most {MOST_BYTES} are laid out")
        for path in found:
            for folder in set(folders_above(path)) & found.keys():
                self._wrong(f"files.{path}", f"lies in {folder}, which is a file", "rename one of them")

    def _copied(self) -> Iterator[tuple[str, Content]]:
        """What is in the folder ``files``."""
        top = self.folder / FILES
        if top.is_symlink():
            self.mistakes.append(f"{top} is a link; put the files themselves into a folder of this name")
            return
        for path in sorted(top.rglob("*")) if top.is_dir() else ():
            name, mode = path.relative_to(top).as_posix(), path.lstat().st_mode
            if stat.S_ISREG(mode) and path.lstat().st_size <= MOST_BYTES:
                yield name, File(path.read_bytes(), 0o755 if mode & 0o100 else 0o644)
            elif stat.S_ISDIR(mode):
                yield f"{name}/", ""
            else:
                what = "is too large" if stat.S_ISREG(mode) else "is neither a file nor a folder"
                self.mistakes.append(f"{path} {what}; files and folders of up to {MOST_BYTES} bytes are laid out")

    def _table(self, key: str, written: object) -> dict[str, Any]:
        if isinstance(written, dict):
            return written
        self._wrong(key, f"cannot be {written!r}", f"it is a table, as in [{key}]")
        return {}

    def _is_path(self, key: str, path: str) -> bool:
        if is_inside(path):
            return True
        self._wrong(key, f"cannot have the path {path!r}", "a path lies in the folder, as docs/notes.txt does")
        return False

    def _check_names(self, written: Mapping[str, Any], values: Mapping[str, object]) -> None:
        """Each ``@name@`` must have a list of values, and each list a place where it is used."""
        used = set(VALUE.findall(repr({key: value for key, value in written.items() if key != "values"})))
        for name in sorted(values.keys() - used):
            self._wrong(f"values.{name}", "is used nowhere", f"write @{name}@ where it should stand, or leave it out")
        known = self._table("values", written.get("values", {}))
        for name in sorted(used - known.keys()) if known else ():
            self._wrong(f"values.{name}", "is missing", f"give the values of @{name}@ as a list, or write it otherwise")
