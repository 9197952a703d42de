"""Which hosts a run may reach: names with their subdomains, and the addresses that such a name may have."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .....domain.errors import EnvironmentUnavailable

SCHEMES = {"http": 80, "https": 443}
"""The schemes of pages, with their ports."""

LONGEST_URL = 2000
"""Characters of a URL; chosen: what browsers and servers take everywhere."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Look = Callable[[str, int], Sequence[str]]
"""The addresses of a host, as texts. Raises ``OSError``."""

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


class BadAddress(EnvironmentUnavailable):
    """A URL or a host that cannot be used, and why."""


class Refused(Exception):
    """A request that is not allowed; the message says why, in words."""


@dataclass(frozen=True)
class Place:
    """A host and its port."""

    host: str
    """A name in small letters, or an address without brackets."""
    port: int | None
    """None for any port."""

    @property
    def address(self) -> Address | None:
        """The host where it is an address and no name."""
        return read_ip(self.host)

    def __str__(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port is None else f"{shown}:{self.port}"


def read_ip(host: str) -> Address | None:
    """The address that the text is; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether the address lies in the open network, also where it only wraps an address of version 4."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or _translated(address)
        if wrapped is not None:
            return is_public(wrapped)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of version 4 behind a translator (RFC 6052)."""
    is_so = address in ipaddress.IPv6Network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if is_so else None


def read_url(url: str) -> Place:
    """The place that the URL leads to. Raises ``BadAddress`` for what is no page of the web."""
    if len(url) > LONGEST_URL or not url.isprintable() or " " in url:
        raise BadAddress(f"the URL {url[:60]!r} has spaces or control signs, or more than {LONGEST_URL} characters")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadAddress(f"{url[:200]!r} is no URL; one begins with http:// or https:// and a host") from None
    try:
        port = parts.port
    except ValueError:
        raise BadAddress(f"{url[:200]!r} has no port that there is; a port is a number from 1 to 65535") from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise BadAddress(f"{url[:200]!r} is no page of the web; a URL begins with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("a URL must not carry a name or a password, since the log keeps it; leave them out")
    return Place(_read_host(parts.hostname, url), SCHEMES[parts.scheme] if port is None else port)


def read_place(text: str) -> Place:
    """The host, or host and port, that a person allows. Raises ``BadAddress``."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.endswith("]")):
        return Place(_read_host(text.strip().strip("[]"), text), None)
    if not 0 < int(port) < 65536:
        raise BadAddress(f"{text!r} is no host to allow: a port is a number from 1 to 65535")
    return Place(_read_host(host.strip("[]"), text), int(port))


def _read_host(host: str, text: str) -> str:
    """The host in the form in which hosts are compared."""
    name = host.lower().rstrip(".")
    if (address := read_ip(name)) is not None:
        return str(address)
    try:
        name = name.encode("idna").decode()
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name) or name.rpartition(".")[2].isdigit():
        raise BadAddress(
            f"{text[:200]!r} has no host that can be reached; a host is a name as example.org, or an address"
        )
    return name


def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of the host. Raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class AllowList:
    """The places that a run may reach. Each name stands for its subdomains too."""

    places: tuple[Place, ...]
    private: frozenset[Address] = frozenset()
    """The addresses in a private network that an allowed host had when the run began."""
    routes: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Hosts that are served by this program itself, with the address and port of each."""
    look: Look = field(default=look_up, repr=False)

    @classmethod
    def of(cls, url: str, more: Iterable[str] = (), look: Look = look_up) -> AllowList:
        """The list for a run that begins at the URL. Raises ``BadAddress``.

        A host in a private network is allowed with its port alone: beside it there are other services of this machine.
        """
        start, extra = read_url(url), [read_place(text) for text in more]
        places, private = list[Place](), set[Address]()
        for place in (start, *extra):
            addresses = _addresses(place, look)
            is_private = bool(addresses) and not any(map(is_public, addresses))  # one that is both may be a trap
            if is_private:
                private |= set(addresses)
            port = place.port if is_private or place is not start else None
            places.append(Place(place.host, port))
        return cls(tuple(places), frozenset(private), look=look)

    def allows(self, place: Place) -> bool:
        """Whether the host and port are on the list, whatever its address is."""
        return any(
            (place.host == known.host or (known.address is None and place.host.endswith(f".{known.host}")))
            and known.port in (None, place.port)
            for known in self.places
        )

    def check(self, place: Place) -> None:
        """Raises ``Refused`` for a place that is not on the list."""
        if not self.allows(place):
            raise Refused(f"{place} is not one of the allowed hosts ({', '.join(map(str, self.places))})")

    def find(self, place: Place) -> list[tuple[str, int]]:
        """The addresses and the port that may be connected to. Raises ``Refused``, also for a name without addresses.

        A name is looked up here and nowhere else, and the connection goes to the very address that was checked: so a name
        cannot have another address a moment later.
        """
        self.check(place)
        if (route := self.routes.get(place.host)) is not None:
            return [route]
        try:
            addresses = _addresses(place, self.look, fails=True)
        except OSError as error:
            raise Refused(f"{place} cannot be found: {error.strerror or error}") from None
        good = [
            (str(address), place.port or 0) for address in addresses if is_public(address) or address in self.private
        ]
        if not good:
            raise Refused(f"{place} has an address in a private network, which this run may not reach")
        return good

    def __str__(self) -> str:
        return ", ".join(map(str, self.places))


def _addresses(place: Place, look: Look, *, fails: bool = False) -> list[Address]:
    if place.address is not None:
        return [place.address]
    try:
        texts = look(place.host, place.port or 443)
    except (OSError, UnicodeError):
        if fails:
            raise
        return []
    return [address for text in texts if (address := read_ip(text.partition("%")[0])) is not None]
