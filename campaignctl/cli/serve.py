"""`campaignctl serve`."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from campaignctl.cli.options import ProjectOption, StoreOption, command_app, opened_project
from campaignctl.cli.screen import say
from campaignctl.clock import SystemClock
from campaignctl.errors import UsageError
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def serve_command(
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen: this machine only, unless told.")
    ] = "127.0.0.1:8080",
    descriptor: Annotated[int | None, typer.Option("--descriptor", hidden=True)] = None,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Run the HTTP service: triggers, gates, tracking, unsubscribe.

    It listens on this machine only unless another address is named; put a proxy
    that speaks TLS in front of it, and write the proxy's address into the
    project as `public_url`.

    Example: campaignctl serve --listen 127.0.0.1:8080
    """
    try:
        from campaignctl.web.running import serve
        from campaignctl.web.server import host_and_port, listening
    except ModuleNotFoundError as failure:
        raise missing_extra(failure) from failure

    opened = opened_project(project)
    clock = SystemClock()
    listener = socket.socket(fileno=descriptor) if descriptor is not None else listening(*host_and_port(listen))
    with listener, opened_store(store_path(opened, store), clock) as the_store:
        if descriptor is None:
            say(f"the service listens on {shown_address(listener)}")
        serve(opened, the_store, clock, listener, ends_with_input=descriptor is not None)


def missing_extra(failure: ModuleNotFoundError) -> UsageError:
    """The service needs what the core does not."""
    return UsageError(
        "U133", f"the HTTP service needs `{failure.name}`", "install it: `pip install 'campaignctl[serve]'`"
    )


def shown_address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
