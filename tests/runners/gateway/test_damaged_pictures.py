"""Pictures in requests that nothing can decode."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from chat_server import completion
from command_line import count
from gateways import RawUpstream, serving
from small_media import DAMAGED, picture


def test_the_gateway_refuses_it_before_it_is_recorded_or_sent(log_before: Callable[[str], Path]) -> None:
    def ask(png: bytes) -> tuple[int, str]:
        url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        parts = [{"type": "image_url", "image_url": {"url": url}}]
        messages = [{"role": "user", "content": parts}]
        status, _, said = gateway.ask("/chat/completions", {"model": "action", "messages": messages})
        return status, str(said)

    with RawUpstream(completion("red"), kind="application/json") as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            before = count(path)
            status, said = ask(DAMAGED["a truncated PNG"])
            assert status == 400 and "messages has a picture or sound that cannot be read: it cannot be decoded" in said
            assert (count(path), endpoint.asked) == (before, [])
            assert ask(picture())[0] == 200
