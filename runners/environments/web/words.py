"""Tasks in words on any page, as one text: the URL, further hosts with a ``+`` each, then the words."""

from __future__ import annotations

from collections.abc import Sequence

from ....domain.errors import UnknownTask
from .instance import Instance
from .network.hosts import AllowList, read_place, read_url


def join_task(url: str, words: str, allow: Sequence[str] = ()) -> str:
    """The task in words on a page as one text: the URL, further hosts with a ``+`` each, then the words.

    Raises ``BadAddress``.
    """
    read_url(url)
    return " ".join([url, *(f"+{read_place(host)}" for host in allow), words.strip()])


def split_task(task: str) -> tuple[str, tuple[str, ...], str]:
    """The URL, the further hosts and the words of such a text. Raises ``UnknownTask`` where it has no URL or no words."""
    url, *rest = task.split()
    hosts = []
    while rest and rest[0].startswith("+") and len(rest[0]) > 1:
        hosts.append(rest.pop(0)[1:])
    words = task.split(None, 1 + len(hosts))[1 + len(hosts) :]
    if not url.startswith(("http://", "https://")) or not words:
        raise UnknownTask(
            "a task on a page is its URL and then the words, as in 'https://example.org/ Find the price of tea'; "
            "or give the URL by --url"
        )
    return url, tuple(hosts), words[0]


class AnyPage:
    """The ``Tasks`` in words on any page."""

    def names(self) -> Sequence[str]:
        """None: any text with a URL is a task."""
        return ()

    def make(self, task: str, seed: int, seat: int) -> Instance:
        """The task; the seed has no effect. Raises ``UnknownTask``, ``BadAddress``."""
        url, hosts, words = split_task(task)
        return Instance(words, url, AllowList.of(url, hosts))

    def has_solution(self, task: str) -> bool:
        """None has one. Raises as ``make`` does, but looks no host up."""
        url, hosts, _ = split_task(task) if task.strip() else split_task("?")
        read_url(url)
        for host in hosts:
            read_place(host)
        return False

    def close(self) -> None:
        """There is nothing to release."""
