"""What comes back from a sandbox, and which sandbox is used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from sandboxes import Box
from sandboxes import box as box
from sandboxes import sandbox as sandbox

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.runners.environments.sandbox import choice
from grokputer.runners.environments.sandbox.account import worker
from grokputer.runners.environments.sandbox.bubblewrap import Bubblewrap
from grokputer.runners.environments.sandbox.command import Limits
from grokputer.runners.environments.sandbox.room import Room, remove
from grokputer.runners.environments.sandbox.tree import Entry, read_tree


def test_the_exit_code_and_both_streams_come_back(box: Box) -> None:
    outcome = box.run("echo out; echo err >&2; exit 7")
    assert (outcome.code, outcome.ended, outcome.cut) == (7, "", 0)
    assert sorted(outcome.output.splitlines()) == ["err", "out"]


def test_bytes_that_are_no_text_come_back_as_escapes(box: Box) -> None:
    assert box.run("printf 'a\\377b\\n'").output == "a\\xffb\n"


def test_commands_run_as_nobody_and_know_their_folder(box: Box) -> None:
    assert box.says("id -u") != "0"
    assert box.says('cd / && cd && touch here && ls "$HOME"') == "here"
    assert (box.folder / "here").stat().st_uid == worker().user


def test_a_new_file_has_the_usual_permissions_whatever_the_mask_of_the_program(box: Box) -> None:
    before = os.umask(0o077)
    try:
        box.run("touch file; mkdir folder")
    finally:
        os.umask(before)
    modes = {it.name: stat.S_IMODE(it.stat().st_mode) for it in box.folder.iterdir()}
    assert modes == {"file": 0o644, "folder": 0o755}


def test_start_files_of_a_shell_are_not_read(box: Box) -> None:
    box.run("echo 'echo evil' > .bashrc; cp .bashrc .profile; cp .bashrc .bash_profile")
    assert box.says("echo good") == "good"
    assert box.says("BASH_ENV=.bashrc; echo good") == "good"


def test_a_sandbox_that_fails_is_told_apart_from_a_command_that_fails(tmp_path: Path) -> None:
    if fault := choice.probe(Bubblewrap()):
        pytest.skip(fault)
    with pytest.raises(EnvironmentUnavailable, match=r"^the sandbox failed: bwrap: "):
        Bubblewrap().run(tmp_path / "nowhere", "true", Limits())
    with Room() as room:
        assert Bubblewrap().run(room.folder, "echo 'bwrap: no'; exit 1", Limits()).code == 1


def test_where_none_works_one_line_says_why_and_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice.find_sandbox.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("grokputer.runners.environments.sandbox.landlock.find_spec", lambda name: None)
    try:
        with pytest.raises(EnvironmentUnavailable) as told:
            choice.find_sandbox()
    finally:
        choice.find_sandbox.cache_clear()
    assert str(told.value) == (
        "no sandbox for commands works here (bwrap is not installed; sandlock is not installed); install bubblewrap 0.8 or "
        "newer (apt-get install bubblewrap) and allow unprivileged user namespaces, or on Linux 6.12 or newer: pip install "
        "'grokputer[shell]'"
    )


def test_a_bubblewrap_without_namespaces_is_passed_over_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.geteuid() and os.geteuid() == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    assert choice.probe(Bubblewrap()) == "bwrap: the sandbox failed: bwrap: No permissions to create new namespace" or (
        "No permissions to create new namespace" in choice.probe(Bubblewrap())
    )


def test_a_sandbox_that_holds_nothing_back_is_not_used() -> None:
    class Leaky(Bubblewrap):
        name = "leaky"

        def run(self, folder: Path, command: str, limits: Limits, *, is_read_only: bool = False):  # type: ignore[no-untyped-def]
            import subprocess

            from grokputer.runners.environments.sandbox.command import Outcome

            code = subprocess.run(["/bin/sh", "-c", command.replace("/usr/outside", "outside")], cwd=folder).returncode
            return Outcome(code, "", b"", b"", 0, 0)

    assert choice.probe(Leaky()) == "leaky does not keep a command in its folder"


# --- the folder ---


def test_a_folder_is_read_without_following_links_or_waiting_for_pipes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text\xff")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "up").symlink_to("..")
    os.mkfifo(tmp_path / "pipe", 0o600)
    tree = read_tree(tmp_path)
    assert list(tree.entries) == ["a", "d", "d/up", "link", "pipe"]
    assert tree.entries["link"].content == b"/etc/passwd" and tree.entries["d/up"].kind == "link"
    assert tree.entries["pipe"] == Entry("other", 0o600)
    assert tree.text("a") == "text\\xff" and tree.text("link") is None and tree.text("d") is None


def test_a_sparse_file_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    tree = read_tree(tmp_path)
    assert tree.entries["huge"].content is None and not tree.is_whole


def test_a_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"b\xffd")).write_text("x")
    assert [os.fsencode(path) for path in read_tree(tmp_path).entries] == [b"b\xffd"]


def test_a_room_is_removed_whatever_was_made_in_it(box: Box) -> None:
    box.run("mkdir -p a/b; touch a/b/c; chmod 000 a; mkdir $'x\\ny'; ln -s / root")
    place = box.folder.parent
    box.room.close()
    assert not place.exists() and Path("/usr").exists()


def test_folders_deeper_than_a_path_may_be_long_are_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.getcwd()
    try:
        os.chdir(top)
        for _ in range(1500):
            os.mkdir("folder")
            os.chdir("folder")
    finally:
        os.chdir(here)
    remove(top)
    assert not top.exists()


def test_what_is_laid_out_has_its_content_permissions_and_moment(box: Box) -> None:
    entries = {
        "a.sh": Entry("file", 0o755, b"echo hi\n"),
        "d": Entry("folder", 0o755),
        "d/b": Entry("file", 0o600, b"secret"),
        "l": Entry("link", 0o777, b"a.sh"),
    }
    box.room.lay_out(entries, {"a.sh": 1_000_000_000})
    assert dict(box.room.read().entries) == entries
    assert box.says("./a.sh; cat d/b; date -u -r a.sh +%Y; date -u -r d/b +%s") == "hi\nsecret2001\n1700000000"
