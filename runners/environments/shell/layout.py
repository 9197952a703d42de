"""Files as a task writes them down: a path and its text, and what follows from that, such as the folders above it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..sandbox.tree import Entry, Tree


@dataclass(frozen=True)
class File:
    """A file with permissions of its own."""

    content: str | bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    """A symbolic link and where it leads."""

    to: str


@dataclass(frozen=True)
class Matching:
    """A file that is right where the function says so of its bytes: an archive can be packed in many ways."""

    is_right: Callable[[bytes], bool]


Content = str | bytes | File | Link
Files = Mapping[str, Content]
"""By path within the folder; a path that ends with a slash is a folder."""

Wanted = Mapping[str, Content | Matching | None]
"""What is to be different from the files at the start; None where there is to be nothing."""

FOLDER_MODE = 0o755


def entries_of(files: Files) -> dict[str, Entry]:
    """The entries that the files stand for, with the folders above them."""
    found = {folder: Entry("folder", FOLDER_MODE) for path in files for folder in folders_above(path)}
    for path, content in files.items():
        if not path.endswith("/"):
            found[path] = _entry(content)
    return found


def folders_above(path: str) -> list[str]:
    """The folders that the path needs, the outermost first; a path that ends with a slash needs itself."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def is_changed_so(tree: Tree, files: Files, wanted: Wanted) -> bool:
    """Whether the folder that began with the files is now as it was but for what is wanted, permissions included."""
    right: dict[str, Entry | Matching] = dict(entries_of(files))
    for path, content in wanted.items():
        name = path.rstrip("/")
        if content is None:
            right = {
                inner: entry for inner, entry in right.items() if inner != name and not inner.startswith(f"{name}/")
            }
        elif isinstance(content, Matching):
            right[name] = content
        else:
            new = entries_of({path: content})
            right |= {inner: entry for inner, entry in new.items() if inner == name or inner not in right}
    if not tree.is_whole or tree.entries.keys() != right.keys():
        return False
    return all(_is_so(tree.entries[path], entry) for path, entry in right.items())


def has_all(tree: Tree, files: Files) -> bool:
    """Whether all the files are there still, unchanged."""
    return all(tree.entries.get(path) == entry for path, entry in entries_of(files).items())


def _is_so(entry: Entry, right: Entry | Matching) -> bool:
    if isinstance(right, Entry):
        is_link = entry.kind == right.kind == "link"  # Permissions of a link mean nothing.
        return entry.content == right.content if is_link else entry == right
    return entry.kind == "file" and entry.content is not None and right.is_right(entry.content)


def _entry(content: Content) -> Entry:
    if isinstance(content, Link):
        return Entry("link", 0o777, content.to.encode())
    file = content if isinstance(content, File) else File(content)
    return Entry("file", file.mode, file.content.encode() if isinstance(file.content, str) else file.content)
