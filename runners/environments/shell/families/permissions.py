"""Permissions and archives."""

from __future__ import annotations

import io
import tarfile
import zlib
from contextlib import suppress

from ..draw import Draw
from ..family import Group, Made
from ..instance import becomes
from ..layout import File, Files, Matching

GROUP = Group()

MOST_UNPACKED = 1 << 20
"""Bytes that are unpacked of an archive to look into it; chosen: a hundred times what a task packs."""


@GROUP.family(
    "Make {file} read-only for everybody.",
    "Protect {file} from changes by anybody; all may read it.",
    "Nobody may write to {file}, everybody may read it.",
    "Lock {file} against editing; reading stays open to all.",
    "Take the right to write {file} away from all, and let all read it.",
    "Set {file} so that it can be read by all and written by none.",
    "{file} must not be edited any more; everyone reads it.",
    "Only reading {file} should be allowed, to whomever it may be.",
)
def read_only(draw: Draw) -> Made:
    """Make a file read-only."""
    file, text = draw.file(), draw.text()
    files: Files = {file: text, draw.file(): draw.text()}
    return Made({"file": file}, files, becomes(files, {file: File(text, 0o444)}), [f"chmod 444 {file}"])


@GROUP.family(
    "Make {file} executable for everybody.",
    "Let everybody run {file}.",
    "Set {file} so that all may execute it.",
    "{file} is a program; give all the right to start it.",
    "Turn {file} into something that anyone can run.",
    "All users should be able to execute {file}.",
    "Add the right to execute {file}, for everyone.",
    "{file} cannot be started yet; allow it to all.",
)
def executable(draw: Draw) -> Made:
    """Make a script executable."""
    file, text = draw.file("sh"), f"#!/bin/sh\necho {draw.word()}\n"
    files: Files = {file: text, draw.file(): draw.text()}
    return Made({"file": file}, files, becomes(files, {file: File(text, 0o755)}), [f"chmod +x {file}"])


@GROUP.family(
    "Make {file} private: its owner reads and writes it, nobody else does anything.",
    "Let only the owner read and write {file}.",
    "Close {file} to all but its owner, who may read and write it.",
    "Nobody but the owner may open {file}; the owner reads and writes.",
    "Keep {file} for its owner alone, to read and to write.",
    "Others must not see {file}; its owner may read and change it.",
    "Take all rights to {file} from everyone except its owner, who keeps reading and writing.",
    "{file} is secret: reading and writing is for the owner only.",
)
def private(draw: Draw) -> Made:
    """Make a file its owner's alone."""
    file, text = draw.file("key"), draw.text()
    files: Files = {file: text, draw.file(): draw.text()}
    return Made({"file": file}, files, becomes(files, {file: File(text, 0o600)}), [f"chmod 600 {file}"])


@GROUP.family(
    "Pack the folder {folder} into {folder}.tar.gz.",
    "Make an archive {folder}.tar.gz of the folder {folder}.",
    "Compress {folder} to {folder}.tar.gz, and keep the folder.",
    "Create {folder}.tar.gz with {folder} in it.",
    "I want the directory {folder} as a gzipped tar, {folder}.tar.gz.",
    "Put {folder} into a tar.gz archive of the same name.",
    "Archive the folder {folder} as {folder}.tar.gz.",
    "{folder} should also exist packed, as {folder}.tar.gz.",
)
def pack_folder(draw: Draw) -> Made:
    """Pack a folder."""
    folder = draw.folder()
    inside: dict[str, str] = {f"{folder}/{name}": draw.text() for name in draw.files(3)}
    files: Files = {**inside, draw.file(): draw.text()}
    goal = becomes(files, {f"{folder}.tar.gz": Matching(lambda packed: unpack(packed) == inside)})
    return Made({"folder": folder}, files, goal, [f"tar czf {folder}.tar.gz {folder}"])


@GROUP.family(
    "Unpack {archive} here.",
    "Extract {archive} into this folder.",
    "Open the archive {archive} and put out what is in it.",
    "Take all files out of {archive}; leave the archive.",
    "I need what is inside {archive}.",
    "Let the contents of {archive} lie here.",
    "{archive} is packed; unpack it in place.",
    "Decompress and untar {archive}.",
)
def unpack_archive(draw: Draw) -> Made:
    """Unpack an archive."""
    archive, folder = f"{draw.name()}.tar.gz", draw.folder()
    inside = {f"{folder}/{name}": draw.text() for name in draw.files(2)}
    files: Files = {archive: pack(inside), draw.file(): draw.text()}
    return Made({"archive": archive}, files, becomes(files, inside), [f"tar xzf {archive}"])


def pack(inside: dict[str, str]) -> bytes:
    """A gzipped tar of the files, always the same bytes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, text in inside.items():
            told = tarfile.TarInfo(path)
            told.size, told.mode = len(text.encode()), 0o644
            archive.addfile(told, io.BytesIO(text.encode()))
    packer = zlib.compressobj(wbits=31)
    return packer.compress(plain.getvalue()) + packer.flush()


def unpack(packed: bytes) -> dict[str, str]:
    """The texts of the files in a gzipped tar; none where it is not one, or is too large."""
    found = {}
    with suppress(tarfile.TarError, zlib.error, OSError, UnicodeError, ValueError):
        plain = zlib.decompressobj(wbits=31).decompress(packed, MOST_UNPACKED)
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for told in archive:
                is_small = told.size <= MOST_UNPACKED and not told.issparse()
                if told.isfile() and is_small and (file := archive.extractfile(told)) is not None:
                    found[told.name.removeprefix("./")] = file.read().decode()
    return found
