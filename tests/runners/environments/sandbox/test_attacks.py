"""Attacks on the sandbox, each carried out for real: nothing outside its folder is read, changed, reached or kept busy."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from sandboxes import Box
from sandboxes import box as box
from sandboxes import sandbox as sandbox

from grokputer.runners.environments.sandbox.account import worker

PYTHON = "/usr/bin/python3"
needs_python = pytest.mark.skipif(
    not Path(PYTHON).exists(), reason=f"the attack is written for {PYTHON}, which is not here"
)

AS_NOBODY_ELSE = worker().user


def processes_of(user: int) -> list[str]:
    """The command lines of the user's processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == user:
                found.append(folder.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def no_process_has(word: str) -> bool:
    return not [line for line in processes_of(AS_NOBODY_ELSE) if word in line]


# --- files ---


@pytest.mark.parametrize(
    "place", ["/usr/x", "/etc/x", "/x", "/bin/x", "/root/x", "/var/x", "/proc/x", "/dev/x", "/home/x", "../x", "/opt/x"]
)
def test_nothing_can_be_written_outside_the_folder(box: Box, place: str) -> None:
    outcome = box.run(f"echo hi > {place}")
    assert outcome.code != 0
    assert not Path(place).exists() or not place.startswith("/")
    assert not (box.folder / place).exists()


def test_the_folder_can_be_written_to(box: Box) -> None:
    assert box.run("mkdir d && echo hi > d/a && cat d/a").code == 0
    assert (box.folder / "d" / "a").read_text() == "hi\n"


def test_a_folder_that_is_read_only_stays_as_it_is(box: Box) -> None:
    box.run("echo hi > a")
    outcome = box.run("cat a; echo more >> a; rm -f a; touch b", is_read_only=True)
    assert outcome.output.startswith("hi\n")
    assert [it.name for it in box.folder.iterdir()] == ["a"] and (box.folder / "a").read_text() == "hi\n"


@pytest.mark.parametrize("file", ["/etc/shadow", "/etc/passwd", "/etc/hostname", "/root/.bashrc", "/proc/kcore"])
def test_files_of_the_machine_cannot_be_read(box: Box, file: str) -> None:
    box.run(f"cat {file} > got")
    got = (box.folder / "got").read_bytes()
    assert not got or got != Path(file).read_bytes()  # sandlock makes up an /etc/hostname


@pytest.mark.parametrize("folder", ["/root", "/var", "/tmp", "/dev/shm", "/etc", "/run"])
def test_folders_of_the_machine_show_nothing_of_it(box: Box, folder: str) -> None:
    listed = box.says(f"ls -A {folder} 2>/dev/null").split()
    assert set(listed) <= {"alternatives", "ld.so.cache"}


def test_a_link_leads_no_further_than_its_command_could_go(box: Box) -> None:
    box.run("ln -s /etc/passwd p; ln -s /root r; ln -s ../../../../.. up; ln -s /usr/bin b")
    assert box.run("cat p").code != 0
    assert box.run("ls r/").code != 0
    assert box.run("echo x > b/evil").code != 0
    assert box.run("echo x > up/etc/evil").code != 0


def test_neither_the_log_nor_its_folder_can_be_read(box: Box, tmp_path: Path) -> None:
    log = tmp_path / "events.db"
    log.write_text("a log")
    assert "a log" not in box.says(f"cat {log}; ls {tmp_path}; ls {box.folder}/..; cat {box.folder}/../../*/events.db")


def test_programs_of_the_system_cannot_be_removed(box: Box) -> None:
    box.run("rm -rf /usr/bin/ls /bin/cat /usr/lib/os-release; rm -rf --no-preserve-root /", seconds=1)
    assert Path("/bin/cat").exists() and box.run("ls").code == 0


# --- secrets and other processes ---


def test_the_environment_of_the_program_is_nowhere(box: Box) -> None:
    said = box.says("env; cat /proc/*/environ | tr '\\0' '\\n'; cat /proc/1/environ /proc/$PPID/environ")
    assert "PATH=" in said and "OPENAI" not in said and str(Path.home()) not in said.splitlines()


def test_no_file_of_the_program_is_open_in_a_command(box: Box, tmp_path: Path) -> None:
    with (tmp_path / "events.db").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        listed = box.says("ls -l /proc/self/fd/ | sed 's/.* -> //'")
    assert "events.db" not in listed
    assert not [it for it in listed.splitlines() if it.startswith("/") and not it.startswith(("/dev/null", "/proc/"))]


def test_processes_outside_cannot_be_seen_or_ended(box: Box) -> None:
    said = box.says(f"kill -9 1; kill -9 -1; kill -9 {os.getpid()}; kill -9 {os.getppid()}; echo alive")
    assert said.endswith("alive")
    assert os.path.exists(f"/proc/{os.getpid()}")
    assert Path(sys.executable).name not in box.says("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")


@needs_python
def test_the_memory_of_a_process_outside_cannot_be_read(box: Box) -> None:
    program = f"open('/proc/{os.getpid()}/mem', 'rb').read(1)"
    assert box.run(f'{PYTHON} -c "{program}"').code != 0
    trace = f"import ctypes; print(ctypes.CDLL(None).ptrace(16, {os.getpid()}, 0, 0))"
    assert box.says(f'{PYTHON} -c "{trace}"') in ("-1", "") or box.run(f'{PYTHON} -c "{trace}"').code != 0


@pytest.mark.parametrize(
    "command",
    [
        "mount -t tmpfs x .",
        "unshare -Ur id",
        "unshare -r -m mount -t tmpfs x .",
        "mknod x b 8 0",
        "chroot . /bin/sh",
        "dmesg",
        "sysctl -w kernel.panic=1",
        "echo 1 > /proc/sys/kernel/panic",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo b > /proc/sysrq-trigger",
        "su -c id",
        "sudo -n id",
        "chown 0 .",
        "nsenter -t 1 -m id",
        "setpriv --reuid 0 id",
    ],
)
def test_more_rights_cannot_be_had(box: Box, command: str) -> None:
    assert box.run(f"cd . && {command}").code != 0


def test_a_program_of_the_folder_with_the_bit_of_root_gives_no_rights(box: Box) -> None:
    box.run("cp /usr/bin/id . && chmod 6755 id")
    assert "uid=0" not in box.says("./id") and "euid=0" not in box.says("./id")


# --- the network ---


@needs_python
@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
def test_a_server_on_this_machine_cannot_be_reached(box: Box, kind: str) -> None:
    with socket.socket(socket.AF_INET, getattr(socket, kind)) as server:
        server.bind(("127.0.0.1", 0))
        if kind == "SOCK_STREAM":
            server.listen()
        server.settimeout(0)
        port = server.getsockname()[1]
        program = (
            f"import socket as s; c = s.socket(s.AF_INET, s.{kind}); c.connect(('127.0.0.1', {port})); c.send(b'x')"
        )
        box.run(f'{PYTHON} -c "{program}"')
        with pytest.raises(BlockingIOError):
            server.accept() if kind == "SOCK_STREAM" else server.recv(1)


@needs_python
def test_a_socket_without_a_file_cannot_be_reached_either(box: Box) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0grokputer-test")
        server.listen()
        server.settimeout(0)
        program = "import socket as s; s.socket(s.AF_UNIX).connect('\\0grokputer-test')"
        assert box.run(f'{PYTHON} -c "{program}"').code != 0
        with pytest.raises(BlockingIOError):
            server.accept()


def test_no_name_can_be_looked_up(box: Box) -> None:
    assert box.run("getent hosts pypi.org").code != 0


@needs_python
def test_nothing_can_be_typed_into_the_terminal(box: Box) -> None:
    program = "import fcntl, termios; [fcntl.ioctl(fd, termios.TIOCSTI, b'x') for fd in (0, 1, 2)]"
    assert box.run(f'{PYTHON} -c "{program}"').code != 0
    assert box.run("exec 3<>/dev/tty").code != 0


# --- limits ---


def test_a_command_that_sleeps_is_ended(box: Box) -> None:
    outcome = box.run("sleep 61.5", seconds=0.5)
    assert (outcome.code, outcome.ended) == (None, "the limit of 0.5 s")
    assert no_process_has("sleep 61.5")


@pytest.mark.parametrize(
    "command",
    [
        "(setsid sleep 62.5 &); echo on",
        "(setsid nohup sleep 62.5 >&- 2>&- <&- &); echo on",
        "(trap '' TERM HUP INT; setsid sleep 62.5 & disown -a); echo on",
    ],
)
def test_processes_that_a_command_leaves_running_end_with_it(box: Box, command: str) -> None:
    assert box.run(command).code == 0
    assert no_process_has("sleep 62.5")


def test_processes_that_a_command_left_running_end_at_the_limit_too(box: Box) -> None:
    assert box.run("(setsid sleep 63.5 >&- 2>&- &); sleep 63.5", seconds=0.5).code is None
    assert no_process_has("sleep 63.5")


def test_a_command_that_closes_its_output_is_watched_all_the_same(box: Box) -> None:
    assert box.run("exec >&- 2>&-; sleep 64.5", seconds=0.5).ended == "the limit of 0.5 s"
    assert box.run("exec >&- 2>&-; exit 3").code == 3


def test_a_fork_bomb_is_over_soon(box: Box) -> None:
    box.run("bomb() { bomb | bomb & }; bomb; sleep 1; echo end", seconds=3)
    assert no_process_has("bomb")


@needs_python
def test_memory_has_an_end(box: Box) -> None:
    assert box.run(f"{PYTHON} -c 'x = bytearray(3 << 30)'").code != 0
    share = f"{PYTHON} -c 'x = bytearray(b\"x\") * (40 << 20); import time; time.sleep(3)'"
    box.run(f"for i in 1 2 3 4 5 6; do ({share} && touch fits-$i) & done; wait", memory_bytes=160 << 20, seconds=6)
    assert len(list(box.folder.glob("fits-*"))) < 6


def test_processor_time_has_an_end(box: Box) -> None:
    outcome = box.run("while :; do :; done", cpu_s=1, seconds=30)
    assert outcome.code not in (0, None)


def test_a_file_grows_to_its_limit_and_no_further(box: Box) -> None:
    box.run("head -c 9000000 /dev/zero > big", file_bytes=1 << 20)
    assert (box.folder / "big").stat().st_size <= 1 << 20


def test_too_many_files_end_the_command(box: Box) -> None:
    outcome = box.run("i=0; while :; do i=$((i + 1)); : > $i; done", folder_entries=50)
    assert outcome.ended == "the limit of 50 files in the folder"


def test_too_many_bytes_end_the_command(box: Box) -> None:
    outcome = box.run("for i in 1 2 3 4; do head -c 1M /dev/urandom > $i; done; sleep 65.5", folder_bytes=1 << 20)
    assert outcome.ended == "the limit of 1 MiB in the folder"


def test_folders_within_folders_have_an_end(box: Box) -> None:
    outcome = box.run("for i in $(seq 60); do mkdir d; cd d; done; sleep 66.5")
    assert outcome.ended == "the limit of 32 folders within folders"


def test_temporary_files_cannot_fill_the_memory(box: Box) -> None:
    outcome = box.run("for i in $(seq 8); do head -c 20M /dev/zero > /dev/shm/$i || exit 9; done; exit 8")
    assert outcome.code != 8
    outcome = box.run("for i in $(seq 8); do head -c 20M /dev/zero > /tmp/$i || exit 9; done; exit 8")
    assert outcome.code != 8


def test_an_endless_output_is_cut_in_the_middle(box: Box) -> None:
    outcome = box.run("echo first; yes", seconds=3)
    assert outcome.ended == "the limit of 3 s"
    assert (outcome.head.startswith(b"first\ny\n") and outcome.tail.endswith(b"y\n")) or outcome.tail.endswith(b"y")
    assert len(outcome.head) + len(outcome.tail) == 8192 and outcome.cut > 0
    outcome = box.run("seq 100000; echo last")
    assert outcome.output.endswith("last\n") and outcome.cut == 588895 + 5 - 8192
