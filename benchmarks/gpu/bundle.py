"""A bundle for a GPU machine without a network: wheels of all that it lacks, in parts of limited size.

    python benchmarks/gpu/bundle.py make FOLDER                   # here: FOLDER/part-1, part-2, ...
    python benchmarks/gpu/bundle.py install PART... --into SITE   # there, with the repository beside the parts
    PYTHONPATH=SITE/site-packages python benchmarks/gpu/measure.py   # there

The machine has CPython 3.12 on x86-64, torch, transformers, peft and accelerate with what these need. The wheels have the
versions of ``constraints.txt``. The package itself is among them, built from the last commit.

A part is a slice of one archive, so that a wheel may be larger than a part. ``install`` needs all parts, and checks the
archive's hash before it unpacks anything.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PART_MIB = 44
"""Size of a part: with this repository's 17 MiB it stays under 64 MiB."""
NEEDED = ("trl", "bitsandbytes", "datasets")
"""What the measurements need beside the package's own plain dependencies."""
PRESENT = ("torch", "transformers", "peft", "accelerate", "pip", "setuptools")
"""What the machine has, with what these need."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_24_x86_64", "manylinux2014_x86_64")
VERSION = "3.12"
PART = re.compile(r"part-(\d+)-of-(\d+)-([0-9a-f]{64})")


def main() -> None:
    """Make a bundle, or install one."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = options.add_subparsers(dest="command", required=True)
    make_options = commands.add_parser("make", help="download the wheels and write the parts")
    make_options.add_argument("folder", type=Path)
    make_options.add_argument("--part-mib", type=int, default=PART_MIB)
    install_options = commands.add_parser("install", help="put the parts together and install the wheels")
    install_options.add_argument("parts", type=Path, nargs="+")
    install_options.add_argument("--into", type=Path, required=True)
    given = options.parse_args()
    if given.command == "make":
        make(given.folder, given.part_mib)
    else:
        install(given.parts, given.into)


def make(folder: Path, part_mib: int) -> None:
    """Write the parts, and say how large they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("part-*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as work:
        download(Path(work))
        archive = pack(sorted(Path(work).glob("*.whl")))
    for part in cut(archive, folder, part_mib * 2**20):
        print(f"{part}  {part.stat().st_size / 2**20:.1f} MiB")


def download(folder: Path) -> None:
    """The wheels for the machine, of the pinned versions, and the package's own."""
    pinned = pins()
    names = sorted(closure(("grokputer", *NEEDED)) - closure(PRESENT) - {"grokputer"})
    wanted = [f"{name}=={pinned[name]}" for name in names if name in pinned]
    if missing := [name for name in names if name not in pinned]:
        print(f"not in constraints.txt, so left out: {', '.join(missing)}", file=sys.stderr)
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    _pip("download", "--no-deps", "--only-binary=:all:", "--python-version", VERSION, *platforms, "-d", folder, *wanted)
    with tempfile.TemporaryDirectory() as source:  # because pip builds in the folder of the source
        committed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(committed)) as files:
            files.extractall(source, filter="data")
        _pip("wheel", "--no-deps", "-w", folder, source)


def closure(names: Sequence[str]) -> set[str]:
    """The packages that these need, with themselves, by what is installed here; without extras."""
    found: set[str] = set()
    waiting = list(map(_plain, names))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _needs(name)
    return found


def _needs(name: str) -> Iterator[str]:
    from packaging.requirements import Requirement

    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:  # for another platform, or a part of torch's own
        return
    for line in lines:
        requirement = Requirement(line)
        marked = {"extra": "", "python_version": VERSION, "python_full_version": f"{VERSION}.0"}
        if requirement.marker is None or requirement.marker.evaluate(marked):
            yield _plain(requirement.name)


def pins() -> dict[str, str]:
    """The pinned versions by name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("#")[0].strip().split("==") for line in lines)
    return {_plain(pair[0]): pair[1].split(";")[0].strip() for pair in pairs if len(pair) == 2}


def pack(wheels: Sequence[Path]) -> bytes:
    """One archive of the wheels, which are compressed already."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for wheel in wheels:
            archive.add(wheel, wheel.name)
    return packed.getvalue()


def cut(archive: bytes, folder: Path, size: int) -> list[Path]:
    """Write the archive into the folder as parts of at most ``size`` bytes; their names tell how many, and the hash."""
    slices = [archive[start : start + size] for start in range(0, len(archive), size)]
    digest = hashlib.sha256(archive).hexdigest()
    parts = []
    for number, part in enumerate(slices, 1):
        parts.append(folder / f"part-{number}-of-{len(slices)}-{digest}")
        parts[-1].write_bytes(part)
    return parts


def join(parts: Sequence[Path]) -> bytes:
    """The archive of the parts, given in any order. Exits with a line where one is missing or damaged."""
    known: dict[int, Path] = {}
    count, digest = 0, ""
    for part in parts:
        if not (named := PART.fullmatch(part.name)):
            sys.exit(f"{part} is no part of a bundle; give the files that 'make' wrote")
        known[int(named[1])], count, digest = part, int(named[2]), named[3]
    if sorted(known) != list(range(1, count + 1)):
        sys.exit(f"there are {len(known)} parts; give all of part-1 to part-{count}")
    archive = b"".join(known[number].read_bytes() for number in sorted(known))
    if hashlib.sha256(archive).hexdigest() != digest:
        sys.exit("the parts do not have the hash in their names; copy them once more")
    return archive


def install(parts: Sequence[Path], into: Path) -> None:
    """Install the wheels of the parts into the folder."""
    archive = join(parts)
    with tempfile.TemporaryDirectory() as work:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(work, filter="data")
        wheels = sorted(Path(work).glob("*.whl"))
        # dill, which datasets uses, takes only what lies in a folder of this name for a library.
        site = into / "site-packages"
        _pip("install", "--no-index", "--no-deps", "--no-compile", "--upgrade", "--target", site, *wheels)
    print(f"{len(wheels)} wheels are in {site}")


def _pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, words), "--quiet", "--disable-pip-version-check"]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"pip {words[0]} failed; its reason stands above")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
