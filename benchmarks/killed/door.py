"""A door before a server of this machine: connections pass through while this process lives.

    python -m grokputer.benchmarks.killed.door PORT BEHIND

The S3 server keeps its objects in memory, and no bucket forgets them when it is away. So what is killed is the way to it.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

PIECE = 1 << 16


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    with suppress(OSError):
        writer.close()


async def main(port: int, behind: int) -> None:
    """Pass connections on until the process is ended."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", behind)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
