"""The parts of a private desktop: what is started, with which settings."""

from __future__ import annotations

import os
import shutil
import struct
from typing import Any

from .....domain.errors import EnvironmentUnavailable
from .folder import DesktopFolder

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"

PACKAGES = {"Xvfb": "xvfb", "dbus-daemon": "dbus", "openbox": "openbox"}
"""The programs of a desktop, and Debian's packages of them."""

LAUNCHERS = ("/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi2-core/at-spi-bus-launcher")
"""Where distributions put the starter of the accessibility bus."""

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><keep_umask/><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""
"""Without a folder of services: no program can let the bus start another. Only its owner enters the folder of the socket."""

_MANAGER = """<?xml version="1.0" encoding="UTF-8"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
<focus><focusNew>yes</focusNew><followMouse>no</followMouse><focusLast>yes</focusLast><raiseOnFocus>yes</raiseOnFocus></focus>
<placement><policy>Smart</policy><center>yes</center></placement>
<theme><name>Clearlooks</name><titleLayout>NLIMC</titleLayout><animateIconify>no</animateIconify></theme>
<desktops><number>1</number><popupTime>0</popupTime></desktops>
<keyboard>
<keybind key="A-F4"><action name="Close"/></keybind>
<keybind key="A-Tab"><action name="NextWindow"><dialog>none</dialog></action></keybind>
</keyboard>
<mouse><dragThreshold>1</dragThreshold>
<context name="Titlebar"><mousebind button="Left" action="Drag"><action name="Move"/></mousebind>
<mousebind button="Left" action="DoubleClick"><action name="ToggleMaximize"/></mousebind>
<mousebind button="Left" action="Press"><action name="Focus"/><action name="Raise"/></mousebind></context>
<context name="Client"><mousebind button="Left" action="Press"><action name="Focus"/><action name="Raise"/></mousebind>
<mousebind button="Right" action="Press"><action name="Focus"/><action name="Raise"/></mousebind></context>
<context name="Close"><mousebind button="Left" action="Click"><action name="Close"/></mousebind></context>
<context name="Maximize"><mousebind button="Left" action="Click"><action name="ToggleMaximize"/></mousebind></context>
<context name="Iconify"><mousebind button="Left" action="Click"><action name="Iconify"/></mousebind></context>
</mouse>
<applications/>
</openbox_config>
"""
"""Without the menu of programs that a press on the background opens, and without keys that start programs."""

_GTK3 = """[Settings]
gtk-enable-animations=0
gtk-cursor-blink=0
gtk-overlay-scrolling=0
gtk-recent-files-enabled=0
gtk-recent-files-max-age=0
"""

_GTK2 = "gtk-cursor-blink=0\ngtk-recent-files-max-age=0\n"


def environment_of(folder: DesktopFolder) -> dict[str, str]:
    """The environment of the programs: theirs alone, with nothing of this program's."""
    run = folder.path / "run"
    return {
        "PATH": PATH,
        "HOME": os.fspath(folder.home),
        "USER": "user",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "XDG_RUNTIME_DIR": os.fspath(run),
        "XDG_CONFIG_DIRS": f"{run}/config:/etc/xdg",
        "XDG_CURRENT_DESKTOP": "X-Generic",
        "XAUTHORITY": f"{run}/Xauthority",
        "GTK2_RC_FILES": f"{run}/config/gtkrc:{folder.home}/.gtkrc-2.0",
        "GTK_MODULES": "gail:atk-bridge",
        "NO_AT_BRIDGE": "0",
        "QT_ACCESSIBILITY": "1",
        "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
        "QT_QPA_PLATFORM": "xcb",
        "GDK_BACKEND": "x11",
        "GSETTINGS_BACKEND": "keyfile",
        "GTK_USE_PORTAL": "0",
        "GIO_USE_VFS": "local",
        "GIO_USE_VOLUME_MONITOR": "unix",
        "LIBGL_ALWAYS_SOFTWARE": "1",
    }


def parts_of(folder: DesktopFolder, size: tuple[int, int]) -> dict[str, Any]:
    """The processes of a private desktop, in the order of their start.

    Raises ``EnvironmentUnavailable`` where a program is missing.
    """
    check_programs()
    run = folder.path / "run"
    folder.write("Xauthority", _cookie())
    folder.write("bus.conf", _BUS.format(socket=run / "bus"))
    folder.write("openbox.xml", _MANAGER)
    folder.write("config/gtk-3.0/settings.ini", _GTK3)
    folder.write("config/gtkrc", _GTK2)
    screen = f"{size[0]}x{size[1]}x24"
    return {
        "screen": {
            "arguments": [
                *("Xvfb", "-displayfd", "@", "-screen", "0", screen, "-nolisten", "tcp", "-noreset"),
                *("-auth", f"{run}/Xauthority"),
            ],
            "tells": "DISPLAY",
            "before": ":",
        },
        "bus": {
            "arguments": [
                "dbus-daemon",
                f"--config-file={run}/bus.conf",
                "--nofork",
                "--nopidfile",
                "--print-address=@",
            ],
            "tells": "DBUS_SESSION_BUS_ADDRESS",
        },
        "tree": {"arguments": [launcher(), "--launch-immediately"]},
        "manager": {"arguments": ["openbox", "--config-file", f"{run}/openbox.xml", "--sm-disable"]},
    }


def check_programs() -> None:
    """Check that all programs of a desktop are installed. Raises ``EnvironmentUnavailable`` with what to install."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program, path=PATH) is None]
    if not any(os.access(path, os.X_OK) for path in LAUNCHERS):
        missing.append("at-spi2-core")
    if missing:
        raise EnvironmentUnavailable(
            f"a desktop needs programs that are not installed; run: apt-get install {' '.join(sorted(missing))}"
        )


def launcher() -> str:
    """The starter of the accessibility bus."""
    return next((path for path in LAUNCHERS if os.access(path, os.X_OK)), LAUNCHERS[0])


def _cookie() -> bytes:
    """The content of an Xauthority file: a fresh key for any display, which only who can read the file may use."""
    name, key = b"MIT-MAGIC-COOKIE-1", os.urandom(16)
    return struct.pack(">HHH", 0xFFFF, 0, 0) + struct.pack(">H", len(name)) + name + struct.pack(">H", len(key)) + key
