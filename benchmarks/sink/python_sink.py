"""The sink for machines without a C compiler: the options, questions and answers of sink.c, several times slower."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
import time
from pathlib import Path
from typing import TextIO

_ADDRESS = re.compile(rb"<([^>]*)>")
_EXTENSIONS = b"250-sink\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"


class Sink:
    """Counts letters."""

    def __init__(self, delay: float, log: TextIO | None) -> None:
        self.delay, self.log = delay, log
        self.open = 0
        self.reset()

    def reset(self) -> None:
        self.letters = self.bytes = self.connections = 0
        self.first = self.last = 0.0
        self.peak = self.open

    def report(self) -> str:
        counted = {"letters": self.letters, "bytes": self.bytes, "connections": self.connections, "peak": self.peak}
        return json.dumps({**counted, "seconds": self.last - self.first})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.peak = max(self.peak, self.open)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self._say(writer, b"220 sink ESMTP\r\n")
            await self._converse(reader, writer)
        self.open -= 1
        writer.close()

    async def _say(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        writer.write(reply)
        await writer.drain()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = recipient = b""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                await self._say(writer, _EXTENSIONS)
            elif verb == b"DATA":
                await self._say(writer, b"354 Go on\r\n")
                letter = await reader.readuntil(b"\r\n.\r\n")
                self._accept(len(letter) - 3, sender, recipient)
                await self._say(writer, b"250 2.0.0 Taken\r\n")
            elif verb == b"QUIT":
                await self._say(writer, b"221 2.0.0 Bye\r\n")
                return
            else:
                address = _ADDRESS.search(line)
                sender = address[1] if verb == b"MAIL" and address else sender
                recipient = address[1] if verb == b"RCPT" and address else recipient
                await self._say(writer, b"250 2.0.0 Ok\r\n")

    def _accept(self, size: int, sender: bytes, recipient: bytes) -> None:
        self.last = time.monotonic()
        self.first = self.first if self.letters else self.last
        self.letters += 1
        self.bytes += size
        if self.log:
            self.log.write(f"{sender.decode()} {recipient.decode()}\n")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-d", type=float, default=0, help="milliseconds before each reply")
    parser.add_argument("-l", help="file for the sender and recipient of each letter")
    options = parser.parse_args()
    log = Path(options.l).open("w") if options.l else None  # noqa: SIM115  open until the end
    sink = Sink(options.d / 1000, log)
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while question := await loop.run_in_executor(None, sys.stdin.readline):
        if question.startswith("reset"):
            sink.reset()
        print(sink.report() if question.startswith("report") else "{}", flush=True)
        if log:
            log.flush()


if __name__ == "__main__":
    asyncio.run(main())
