"""
A mail server as a process of its own, which writes down what it accepts before it says so.

Run as `python sink.py LEDGER PORT_FILE FAULTS`. Each accepted message is one
line in LEDGER, appended by one write before the answer to the final dot; so is
each that is lost when its dot may have been written. For each accepted message a
byte goes to standard output, so that who started it can wait without polling.

With the fault `holds_after` it takes so many, and then no more until something
comes from standard input: what is then under way does not depend on how fast
anybody is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import re
import sys
from pathlib import Path
from typing import Any


class DroppedError(Exception):
    """The line is to be cut here."""


class Sink:
    """Takes every message, apart from the faults that it was asked for."""

    def __init__(self, ledger: Path, faults: dict[str, Any]) -> None:
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._faults = faults
        # Not for secrets: the same faults come again with the same seed.
        self._random = random.Random(faults.get("seed", 0))
        self._room = faults.get("holds_after", sys.maxsize)
        self._is_released = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (DroppedError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            # RST and not FIN: what the other side still has to read is lost as well.
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._answer("banner", "220 sink.example ESMTP"))
        recipient = ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n")
            elif verb == b"MAIL":
                recipient = ""
                is_open = self._said(writer, "mail", "250 2.1.0 go on")
            elif verb == b"RCPT":
                if is_open and (is_open := self._said(writer, "rcpt", "250 2.1.5 go on")):
                    recipient = line.partition(b"<")[2].partition(b">")[0].decode()
                elif not is_open:
                    writer.write(b"503 5.5.1 no sender\r\n")
            elif verb == b"DATA":
                if not recipient:
                    writer.write(b"503 5.5.1 no recipient\r\n")
                elif self._said(writer, "data", "354 go on"):
                    await self._take(recipient, reader, writer)
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 good-bye\r\n")
                await writer.drain()
                return
            else:
                writer.write(b"250 2.0.0 so be it\r\n")
            await writer.drain()

    async def _take(self, recipient: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._meets("drop_before_dot"):
            # Unread here, but a small message was written in one piece with its dot.
            self._note(recipient=recipient, message_id="", digest="", is_dropped=True, is_accepted=False)
            raise DroppedError
        content = await reader.readuntil(b"\r\n.\r\n")
        if self._meets("refuse_after_dot"):
            writer.write(b"451 4.3.0 later\r\n")
            return
        await self._pause()
        await self._room_for_one()
        if self._meets("lose_before_accepting"):
            self._note(recipient=recipient, message_id="", digest="", is_dropped=True, is_accepted=False)
            raise DroppedError
        is_dropped = self._meets("drop_after_dot")
        found = re.search(rb"^Message-ID:\s*(\S+)", content, re.MULTILINE | re.IGNORECASE)
        self._note(
            recipient=recipient,
            message_id=found[1].decode() if found else "",
            digest=hashlib.sha256(content).hexdigest(),
            is_dropped=is_dropped,
            is_accepted=True,
        )
        os.write(sys.stdout.fileno(), b".")
        if is_dropped:
            raise DroppedError
        await self._pause()
        writer.write(b"250 2.0.0 taken\r\n")

    def release(self) -> None:
        asyncio.get_running_loop().remove_reader(sys.stdin)
        self._is_released.set()

    async def _room_for_one(self) -> None:
        if self._room == 0:
            await self._is_released.wait()
        else:
            self._room -= 1

    async def _pause(self) -> None:
        """Messages wait both before they are accepted and before that is said, so that a kill finds them in either."""
        await asyncio.sleep(self._random.uniform(0, self._faults.get("slowest_answer", 0.0)))

    def _said(self, writer: asyncio.StreamWriter, stage: str, otherwise: str) -> bool:
        """Answer at a stage; whether the dialogue goes on from there."""
        answer = self._answer(stage, otherwise)
        writer.write(answer)
        return answer[:1] in b"23"

    def _answer(self, stage: str, otherwise: str) -> bytes:
        if self._meets(f"drop_at_{stage}"):
            raise DroppedError
        refused = "451 4.3.0 later" if self._meets(f"refuse_at_{stage}") else otherwise
        return f"{'421 4.3.2 closing' if self._meets(f'close_at_{stage}') else refused}\r\n".encode()

    def _meets(self, fault: str) -> bool:
        probability = self._faults.get(fault, 0.0)
        return probability > 0 and self._random.random() < probability

    def _note(self, **accepted: object) -> None:
        os.write(self._ledger, json.dumps(accepted).encode() + b"\n")


async def main(ledger: Path, port_file: Path, faults: dict[str, Any]) -> None:
    sink = Sink(ledger, faults)
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0, limit=1 << 20)
    asyncio.get_running_loop().add_reader(sys.stdin, sink.release)
    port_file.write_text(str(server.sockets[0].getsockname()[1]))
    os.write(sys.stdout.fileno(), b"!")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])))
