"""Server-sent events of other programs: lines may end in three ways, and one event may have several lines of data."""

from __future__ import annotations

import pytest

from grokputer.adapters.serving.streamed_reply import cut_event, data_of

EVENTS = ["data: one", ": a comment", 'data: {"a":\ndata: 1}', "id: 7\ndata: three\nretry: 5"]
SAID = ["one", "", '{"a":\n1}', "three"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_are_the_same_whatever_ends_their_lines_and_however_they_are_cut(line_end: str, size: int) -> None:
    body = "".join(f"{event}\n\n" for event in EVENTS).replace("\n", line_end).encode()
    found, kept = [], b""
    for start in range(0, len(body), size):
        event, kept = cut_event(kept + body[start : start + size])
        while event:
            found.append(event)
            event, kept = cut_event(kept)
    assert b"".join(found) + kept == body
    assert [data_of(event.decode()) for event in found] == SAID and not kept.strip()
