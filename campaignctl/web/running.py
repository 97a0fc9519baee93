"""Running the service: on its own, or as a process beside the daemon."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from campaignctl.clock import Clock
from campaignctl.contacts.event_file import credit_conversions
from campaignctl.engine.daemon import ends_on_signals
from campaignctl.errors import StoreError
from campaignctl.project import ProjectFile
from campaignctl.store.ledger import SqlStore
from campaignctl.uploading import clear_away
from campaignctl.web.application import application
from campaignctl.web.server import server_of
from campaignctl.web.service import Service
from campaignctl.wiring import keys_of, signer_of

_TIDIED_EVERY: Final = timedelta(hours=1)


def serve(
    project: ProjectFile, store: SqlStore, clock: Clock, listener: socket.socket, *, ends_with_input: bool = False
) -> None:
    """Answer requests until a signal comes; with *ends_with_input* also when standard input ends."""
    service = Service(project, store, clock, signer_of(store, clock), keys_of(store))
    server = server_of(application(service))

    async def tidy() -> None:
        while True:
            with suppress(StoreError):  # another time
                await service.in_thread(clear_away, store, clock.now())
            await asyncio.sleep(_TIDIED_EVERY.total_seconds())

    async def run() -> None:
        tidying = asyncio.ensure_future(tidy())
        if ends_with_input:
            # The daemon holds the other end of this pipe: when it dies, however it dies, the service ends too.
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
            ending = asyncio.ensure_future(reader.read())
            ending.add_done_callback(lambda _: setattr(server, "should_exit", True))
        try:
            await server.serve(sockets=[listener])
        finally:
            tidying.cancel()

    with store.writing() as ledger:
        ledger.judge_again()
    credit_conversions(store)
    # The server has handlers of its own and raises signals again when it has ended: what it saw is still to be written.
    with ends_on_signals(partial(setattr, server, "should_exit", True)):
        try:
            asyncio.run(run())
        finally:
            service.close()


@contextmanager
def service_beside(project: ProjectFile, store: Path, listener: socket.socket) -> Iterator[None]:
    """
    The service on *listener*, in a process of its own for as long as the block lasts.

    It shares nothing with the daemon but the store: what people's browsers ask
    does not slow what is sent.
    """
    command = [
        sys.executable, "-c", "from campaignctl.cli.start import start; start()", "serve",
        "--descriptor", str(listener.fileno()), "--project", str(project.folder), "--store", str(store),
    ]  # fmt: skip
    # Signals from the terminal are for the daemon, which ends the service.
    process = subprocess.Popen(  # noqa: S603 # our own program
        command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], start_new_session=True, env=os.environ
    )
    try:
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
