"""Pictures of real windows with their true texts, for ``reading.py``: GTK and Qt programs on a screen of their own.

    python benchmarks/windows.py --out windows --count 60

Needs ``Xvfb openbox dbus at-spi2-core zenity mousepad featherpad`` of Debian, and ``jeepney mss`` of PyPI.
Everything follows from the seed: texts, fonts, sizes and themes. Each window is alone on the screen and what it holds fits
into it, because the tree of AT-SPI also "shows" what is covered or scrolled away.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

SIZE = (1024, 768)
WAIT_S = 20.0

WORDS = """
account address agenda amount archive balance battery branch budget button calendar camera cancel chapter
client column contract copy country customer default delete delivery device discount document download drawer
edit energy engine error export figure filter folder forward garden harbour history holiday image import index
invoice journal keyboard kitchen language ledger letter library license margin market meeting memory message
minute monitor morning mountain network notebook number office option order package page paper password
payment picture pocket printer private product profile project quarter question receipt record region rename
report request river salary schedule screen search section server settings shipment signal silver station
storage summary system table template ticket total traffic travel update upload version village volume warning
weather window
""".split()  # noqa: SIM905 - a list of a hundred lines is no easier to read
NAMES = (
    "Amira",
    "Björn",
    "Chloé",
    "Daniel",
    "Elena",
    "Fatima",
    "Georg",
    "Hanna",
    "Imre",
    "Joana",
    "Lucía",
    "Marek",
    "Priya",
)
FONTS = ("DejaVu Sans 8", "DejaVu Sans 10", "DejaVu Serif 9", "DejaVu Sans Mono 9", "Nimbus Sans 10", "DejaVu Sans 7")

BUS = """<busconfig><type>session</type><keep_umask/><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<standard_session_servicedirs/>
<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""

SHOWN = {
    "zenity": {"label", "push button", "table cell", "table column header", "text"},
    "mousepad": {"label", "menu", "text"},
    "featherpad": {"menu", "text", "menu item"},
}
"""The roles whose text is drawn where the tree says; others have names for the ear, or boxes of another widget."""

A = "org.a11y.atspi."
ROOT = "/org/a11y/atspi/accessible"


class Element(NamedTuple):
    """One element of a window: its text, its box (x, y, width, height) in pixels of the screen, and its role."""

    role: str
    text: str
    box: tuple[int, int, int, int]


class Screen:
    """A screen with a window manager, a bus and an accessibility bus; closed as a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="windows-")
        self.home = Path(self._folder.name)
        self._started: list[subprocess.Popen[bytes]] = []
        self.env = {
            **{key: os.environ[key] for key in ("PATH",)},
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home),
            "LANG": "C.UTF-8",
            "GTK_MODULES": "gail:atk-bridge",
            "NO_AT_BRIDGE": "0",
            "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
            "GSETTINGS_BACKEND": "memory",
            "GTK_USE_PORTAL": "0",
            "GIO_USE_VFS": "local",
            "GDK_BACKEND": "x11",
        }

    def __enter__(self) -> Screen:
        from jeepney import DBusAddress, new_method_call
        from jeepney.io.blocking import open_dbus_connection

        size = f"{SIZE[0]}x{SIZE[1]}x24"
        self._lock_screen()
        auth = ("-auth", self.env["XAUTHORITY"])
        number = self._start_telling(
            "Xvfb", *auth, "-screen", "0", size, "-nolisten", "tcp", "-noreset", "-displayfd", "{fd}"
        )
        self.env["DISPLAY"] = f":{number}"
        conf = self.home / "bus.conf"
        conf.write_text(BUS.format(socket=self.home / "bus"))
        bus = self._start_telling("dbus-daemon", f"--config-file={conf}", "--nofork", "--print-address={fd}")
        self.env["DBUS_SESSION_BUS_ADDRESS"] = bus
        self.start("/usr/libexec/at-spi-bus-launcher", "--launch-immediately")
        self.start("openbox")
        session = open_dbus_connection(bus)
        place = DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Bus")
        address = session.send_and_get_reply(new_method_call(place, "GetAddress"), timeout=WAIT_S).body[0]
        status = DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.freedesktop.DBus.Properties")
        for key in ("IsEnabled", "ScreenReaderEnabled"):
            call = new_method_call(status, "Set", "ssv", ("org.a11y.Status", key, ("b", True)))
            session.send_and_get_reply(call, timeout=WAIT_S)
        session.close()
        self._tree = open_dbus_connection(address)
        return self

    def _lock_screen(self) -> None:
        """Make the key that the screen asks for, so that no other program's window comes onto the pictures."""
        kind, key = b"MIT-MAGIC-COOKIE-1", secrets.token_bytes(16)
        parts = (b"", b"", kind, key)
        file = self.home / "key"
        file.write_bytes(b"\xff\xff" + b"".join(len(part).to_bytes(2, "big") + part for part in parts))
        self.env["XAUTHORITY"] = os.environ["XAUTHORITY"] = str(file)

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started):
            end(process)
        self._folder.cleanup()

    def start(
        self, *words: str, env: dict[str, str] | None = None, fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            words,
            env={**self.env, **(env or {})},
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=fds,
        )
        self._started.append(process)
        return process

    def _start_telling(self, *words: str) -> str:
        """Start a server that writes its name to the descriptor ``{fd}``; the name."""
        reading, writing = os.pipe()
        self.start(*(word.format(fd=writing) for word in words), fds=(writing,))
        os.close(writing)
        with os.fdopen(reading) as file:
            return file.readline().strip()

    def picture(self) -> Any:
        """The screen as an array of blue, green, red."""
        import mss
        import numpy

        with mss.MSS(display=self.env["DISPLAY"]) as camera:
            return numpy.array(camera.grab(camera.monitors[0]))[:, :, :3].copy()

    def call(self, bus: str, path: str, interface: str, method: str, form: str | None = None, *body: Any) -> Any:
        from jeepney import DBusAddress, MessageType, new_method_call

        message = new_method_call(DBusAddress(path, bus, A + interface), method, form, body)
        try:
            reply = self._tree.send_and_get_reply(message, timeout=5)
        except TimeoutError:
            return None
        return reply.body[0] if reply.header.message_type is MessageType.method_return and reply.body else None

    def elements(self, program: str) -> tuple[tuple[int, int, int, int], list[Element]] | None:
        """The box of the program's window and its elements; None while it has no window."""
        for bus, path in (
            self.call("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root", "Accessible", "GetChildren") or ()
        ):
            for window in self.call(bus, path, "Accessible", "GetChildren") or ():
                box = self.call(*window, "Component", "GetExtents", "u", 0)
                if box and box[2] > 50 and box[3] > 50:
                    return tuple(box), list(self._walk(program, window[0], window[1]))
        return None

    def _walk(self, program: str, bus: str, path: str, above: str = "", depth: int = 0) -> Iterator[Element]:
        state = self.call(bus, path, "Accessible", "GetState")
        if not state or not state[0] >> 25 & 1 or depth > 20:  # showing
            return
        role = self.call(bus, path, "Accessible", "GetRoleName") or ""
        name = self._name(bus, path)
        if role in SHOWN[program] or (role == "label" and "label" in SHOWN[program]):
            text = name
            if role in ("text", "icon") or not text:
                text = self.call(bus, path, "Text", "GetText", "ii", 0, -1) or text
            box = self.call(bus, path, "Component", "GetExtents", "u", 0)
            if text and text.strip() and box and text.strip() != above and text.isprintable() | ("\n" in text):
                yield Element(role, text.strip(), tuple(box))
        for child in self.call(bus, path, "Accessible", "GetChildren") or ():
            if child[1] != "/org/a11y/atspi/null" and role not in ("menu", "combo box"):
                yield from self._walk(program, child[0], child[1], name, depth + 1)

    def _name(self, bus: str, path: str) -> str:
        from jeepney import DBusAddress, MessageType, new_method_call

        place = DBusAddress(path, bus, "org.freedesktop.DBus.Properties")
        reply = self._tree.send_and_get_reply(
            new_method_call(place, "Get", "ss", (f"{A}Accessible", "Name")), timeout=5
        )
        return str(reply.body[0][1]).strip() if reply.header.message_type is MessageType.method_return else ""


def end(process: subprocess.Popen[bytes]) -> None:
    """End the process that was started here, and its children."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with suppress(subprocess.TimeoutExpired):
            process.wait(2)
            return


def code(chance: random.Random) -> str:
    """A text of look-alikes, which no context can tell apart."""
    return f"{chance.choice('ABCXYZ')}{chance.randint(2, 9)}l{chance.choice('OI01')}{chance.randint(2, 9)}"


def sentence(chance: random.Random, length: int) -> str:
    words = [chance.choice(WORDS) for _ in range(length)]
    words[chance.randrange(length)] = chance.choice(NAMES)
    if chance.random() < 0.5:
        words[chance.randrange(length)] = f"{chance.randint(1, 9999)}.{chance.randint(10, 99)}"
    return " ".join(words).capitalize() if chance.random() < 0.5 else " ".join(words)


def window(chance: random.Random, home: Path, kind: int) -> tuple[str, list[str]]:
    """A program and its words on the command line, with what it shows; there are ten kinds."""
    title = f"--title={chance.choice(WORDS).capitalize()}"
    if kind == 0:
        text = "\n".join([*(sentence(chance, chance.randint(5, 8)) for _ in range(chance.randint(3, 7))), code(chance)])
        return "zenity", [
            f"--{chance.choice(('info', 'question'))}",
            "--no-markup",
            title,
            "--width=460",
            f"--text={text}",
        ]
    if kind in (1, 2, 7):
        return "zenity", [title, *listing(chance, is_checked=kind == 7)]
    if kind == 3:
        entries = [f"--add-entry={word.capitalize()} {chance.choice(WORDS)}" for word in chance.sample(WORDS, 7)]
        return "zenity", ["--forms", title, f"--text=New {chance.choice(WORDS)}", *entries[: chance.randint(4, 7)]]
    if kind == 9:
        text = f"{sentence(chance, 6)}\n{sentence(chance, 6)}"
        return "zenity", ["--entry", title, "--width=480", f"--text={text}", f"--entry-text={sentence(chance, 4)}"]
    lines = [sentence(chance, chance.randint(4, 6)) for _ in range(chance.randint(6, 11))]
    file = home / f"{chance.choice(WORDS)}-{chance.randint(1, 99)}.txt"
    file.write_text("\n".join([*lines, f"Code {code(chance)}", f"{chance.choice(NAMES)} {code(chance)}"]))
    if kind == 4:
        return "zenity", ["--text-info", title, "--width=620", "--height=480", f"--filename={file}"]
    return ("featherpad", ["--standalone", str(file)]) if kind == 8 else ("mousepad", [str(file)])


def listing(chance: random.Random, is_checked: bool) -> list[str]:
    """The words for a list with columns, or of boxes to tick."""
    heads = [f"--column={word.capitalize()}" for word in chance.sample(WORDS, 3)]
    size = ["--list", "--width=560", "--height=520"]
    if is_checked:
        rows = [
            it for word in chance.sample(WORDS, chance.randint(7, 12)) for it in ("FALSE", word, sentence(chance, 3))
        ]
        return [*size, "--checklist", f"--text=Take {code(chance)}", *heads, *rows]
    rows = []
    for _ in range(chance.randint(6, 11)):
        date = f"{chance.randint(1, 28)}.{chance.randint(1, 12)}.20{chance.randint(10, 39)}"
        rows += [chance.choice(WORDS), f"{chance.choice(NAMES)} {chance.choice(WORDS)}", date]
    return [
        *size,
        f"--text=Choose a {chance.choice(WORDS)}",
        *heads,
        *rows,
        code(chance),
        chance.choice(WORDS),
        "ready",
    ]


@contextmanager
def showing(screen: Screen, program: str, words: list[str], look: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = screen.start(program, *words, env=look)
    try:
        yield process
    finally:
        end(process)


def dress(chance: random.Random, folder: Path) -> dict[str, str]:
    """A font, a size and a theme: written to the folder, and the variables that make programs look there."""
    font, is_dark = chance.choice(FONTS), chance.random() < 0.4
    (folder / "gtk-3.0").mkdir(parents=True)
    (folder / "gtk-3.0" / "settings.ini").write_text(f"[Settings]\ngtk-font-name={font}\n")
    return {
        "XDG_CONFIG_HOME": str(folder),
        "GTK_THEME": "Adwaita:dark" if is_dark else "Adwaita",
        "QT_FONT_DPI": str(chance.choice((80, 96, 110))),
        "LOOK": f"{font}{', dark' if is_dark else ''}",
    }


def settled(screen: Screen, program: str) -> Any:
    """The picture, the window's box and its elements once neither changes; None where no window comes."""
    until, before = time.monotonic() + WAIT_S, None
    while time.monotonic() < until:
        time.sleep(0.5)
        seen = screen.elements(program)
        picture = screen.picture()
        if before and seen and seen == before[0] and (picture == before[1]).all():
            return picture, *seen
        before = seen, picture
    return None


def make(out: Path, count: int, seed: int) -> None:
    """Write the pictures and, beside each, its elements as JSON, into the folder."""
    import cv2

    out.mkdir(parents=True, exist_ok=True)
    with Screen() as screen:
        for number in range(count):
            chance = random.Random(seed * 1000 + number)
            folder = screen.home / f"look-{number}"
            look = dress(chance, folder)
            program, words = window(chance, screen.home, number % 10)
            with showing(screen, program, words, look):
                shown = settled(screen, program)
            if shown is None:
                print(f"{number}: {program} showed no window", flush=True)
                continue
            picture, (x, y, width, height), elements = shown
            x, y = max(0, x), max(0, y)
            cut = picture[y : y + height, x : x + width]
            inside = [
                Element(role, text, (ex - x, ey - y, ew, eh))
                for role, text, (ex, ey, ew, eh) in elements
                if ew > 0 and eh > 0 and ex >= x and ey >= y and ex + ew <= x + width and ey + eh <= y + height
            ]
            cv2.imwrite(str(out / f"{number:03}.png"), cut)
            told = {"program": program, "look": look["LOOK"], "elements": [element._asdict() for element in inside]}
            (out / f"{number:03}.json").write_text(json.dumps(told, ensure_ascii=False, indent=1))
            print(
                f"{number}: {program}, {look['LOOK']}, {sum(len(it.text.split()) for it in inside)} words", flush=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=77)
    given = parser.parse_args()
    make(given.out, given.count, given.seed)


if __name__ == "__main__":
    main()
