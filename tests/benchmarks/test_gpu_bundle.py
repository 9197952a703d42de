"""The bundle for a GPU machine without a network: what is in it, and how its parts go together again."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from grokputer.benchmarks.gpu.bundle import NEEDED, PRESENT, closure, cut, join, pins


def _archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, size in (("one.whl", 3000), ("two.whl", 50)):
            entry = tarfile.TarInfo(name)
            entry.size = size
            archive.addfile(entry, io.BytesIO(b"x" * size))
    return packed.getvalue()


def test_the_parts_of_a_bundle_make_the_archive_again_in_any_order(tmp_path: Path) -> None:
    archive = _archive()
    parts = cut(archive, tmp_path, 4000)
    assert len(parts) == 3
    assert max(part.stat().st_size for part in parts) == 4000
    assert join(parts[::-1]) == archive


def test_a_missing_a_foreign_or_a_damaged_part_is_refused_in_one_line(tmp_path: Path) -> None:
    parts = cut(_archive(), tmp_path, 4000)
    with pytest.raises(SystemExit, match="give all of part-1 to part-3"):
        join(parts[1:])
    foreign = tmp_path / "notes.txt"
    foreign.write_text("")
    with pytest.raises(SystemExit, match=r"notes\.txt is no part of a bundle"):
        join([*parts, foreign])
    parts[1].write_bytes(parts[1].read_bytes()[:-1] + b"!")
    with pytest.raises(SystemExit, match="do not have the hash"):
        join(parts)


def test_a_bundle_has_what_the_machine_lacks_in_pinned_versions_and_not_what_it_has() -> None:
    lacking = closure(("grokputer", *NEEDED)) - closure(PRESENT)
    assert {"trl", "bitsandbytes", "datasets", "pyarrow", "eventsourcing", "msgspec"} <= lacking
    assert not lacking & {"torch", "transformers", "numpy", "safetensors"}
    assert lacking - {"grokputer"} <= pins().keys()
