"""The browser of an environment, with one proxy and one visit for each seat."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from .....domain.errors import EnvironmentUnavailable
from ...of_tasks import Seats
from ..network.hosts import AllowList
from ..network.proxy import Proxy
from .connection import Connection
from .visit import HEIGHT, WIDTH, Visit

FLAGS = (
    "--proxy-server=http://127.0.0.1:9",  # leads nowhere: each visit has a proxy of its own
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--no-startup-window",
    "--disable-features=HttpsUpgrades,Translate,MediaRouter,OptimizationHints,AutofillServerCommunication,InterestFeedV2",
    "--site-per-process",
    "--deny-permission-prompts",
    "--no-pings",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--noerrdialogs",
    "--password-store=basic",
    "--use-mock-keychain",
    "--force-device-scale-factor=1",
    f"--window-size={WIDTH},{HEIGHT}",
)
"""Flags beside those of every browser here. No name is looked up by the browser, and nothing goes around the proxy."""


class Browsing:
    """The browser of an environment and those beside it, with one proxy and one visit for each seat."""

    def __init__(self, *, is_headed: bool = False) -> None:
        self.seats = Seats()
        """Those of the environments. A visit stays in a free seat until the next one."""
        self._is_headed = is_headed
        self._connection: Connection | None = None
        self._proxies: dict[int, Proxy] = {}
        self._visits: dict[int, Visit] = {}

    def visit(self, seat: int, allowed: AllowList, files: Mapping[str, bytes]) -> Visit:
        """A new visit in the seat; that before it ends. Raises ``EnvironmentUnavailable``."""
        self.leave(seat)
        if self._connection is None or self._connection.is_lost:
            self._end_browser()
            if self._is_headed:
                check_display()
            self._connection = Connection(FLAGS, is_headed=self._is_headed)
        if seat not in self._proxies:
            self._proxies[seat] = Proxy()
        visit = self._visits[seat] = Visit(self._connection, self._proxies[seat], allowed, tuple(files.items()))
        return visit

    def leave(self, seat: int) -> None:
        """End the visit in the seat."""
        if (visit := self._visits.pop(seat, None)) is not None:
            visit.close()

    def close(self) -> None:
        """End all visits and the browser. The next visit starts a new one."""
        for seat in list(self._visits):
            self.leave(seat)
        self._end_browser()
        for proxy in self._proxies.values():
            proxy.close()
        self._proxies.clear()

    def _end_browser(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def check_display() -> None:
    """Raises ``EnvironmentUnavailable`` where no window can be shown."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise EnvironmentUnavailable(
            "no window can be shown: DISPLAY is not set; leave --headed out, or start a desktop"
        )
