"""The service of a world, on a real socket, in virtual time."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
from world import World

from campaignctl.store.tokens import add_token
from campaignctl.web.application import OPERATIONS, application
from campaignctl.web.operations import Operation
from campaignctl.web.server import listening, server_of
from campaignctl.web.service import Service
from campaignctl.wiring import keys_of, signer_of


def service_of(world: World) -> Service:
    return Service(world.project, world.store, world.clock, signer_of(world.store, world.clock), keys_of(world.store))


@contextmanager
def served(
    world: World, operations: Sequence[Operation] = OPERATIONS, service: Service | None = None
) -> Iterator[httpx.Client]:
    """A client of the service of *world*, which really listens."""
    service = service or service_of(world)
    server = server_of(application(service, operations))
    listener = listening("127.0.0.1", 0)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    host, port = listener.getsockname()
    try:
        with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        service.close()
        listener.close()


def token_for(world: World, *scopes: str) -> dict[str, str]:
    """The header of a request that shows a new token with these scopes."""
    with world.store.writing() as ledger:
        _, text = add_token(ledger.connection, scopes, "tester", world.clock.now())
    return {"Authorization": f"Bearer {text}"}


def raw_conversation(client: httpx.Client, said: bytes, patience: float = 5) -> bytes:
    """What the service answers to these very bytes, until it closes or says nothing more."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=patience) as line:
        line.sendall(said)
        heard = b""
        try:
            while piece := line.recv(65536):
                heard += piece
        except (TimeoutError, ConnectionResetError):
            pass  # what was heard until then counts
        return heard
