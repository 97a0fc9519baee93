"""Where the program starts: finds the command's module, and turns failures into sentences and exit codes."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import NamedTuple

from campaignctl import __version__
from campaignctl.errors import CampaignctlError


class Entry(NamedTuple):
    """A command of the top level: the module that holds it, and a line for the overview."""

    module: str
    summary: str


# Nothing of a command is imported before it is called, so that help is quick.
COMMANDS = {
    "init": Entry("init", "Make a project to start from."),
    "demo": Entry("demo", "Run a whole campaign in fast time, to an outbox."),
    "validate": Entry("validate", "Show all problems of campaign files."),
    "explain": Entry("explain", "Show the page of an error code."),
    "schema": Entry("schema", "Print the JSON Schema of a kind of file."),
    "contacts": Entry("contacts", "Bring contacts in, and look at them."),
    "audience": Entry("audience", "Show who would take part in a campaign now."),
    "preview": Entry("preview", "Show a message as one contact would get it."),
    "publish": Entry("publish", "Publish a campaign."),
    "run": Entry("run", "Run published campaigns."),
    "list": Entry("list", "List the campaigns of the store."),
    "status": Entry("status", "Show where a campaign stands."),
    "history": Entry("history", "Show what was done with a campaign."),
    "stop": Entry("stop", "End a campaign: nothing more leaves."),
    "events": Entry("events", "Bring in what contacts did with messages."),
    "suppress": Entry("suppress", "Say who must not be written to."),
}


def start() -> None:
    """Run the command that the user typed."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; the exit code."""
    if not arguments or arguments[0] in ("--help", "-h"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        print(f"campaignctl {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        return _unknown(name)
    try:
        return _called(name, arguments[1:])
    except CampaignctlError as failure:
        _say(f"error[{failure.code}]: {failure.message}")
        if failure.hint:
            _say(f"  = hint: {failure.hint}")
        return failure.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except BrokenPipeError:
        # The reader of a pipe has seen enough; Python must not complain about it at its end.
        sys.stdout = None
        return 0


def overview() -> str:
    """The help of the program itself."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {entry.summary}" for name, entry in COMMANDS.items()]
    return "\n".join(
        ["Usage: campaignctl COMMAND [OPTIONS]", "", "Campaigns as code: from YAML files to messages that arrive.", "",
         "Commands:", *lines, "", "campaignctl COMMAND --help tells more; campaignctl demo shows it all."]
    )  # fmt: skip


def _called(name: str, arguments: list[str]) -> int:
    _start_quickly()
    import typer
    import typer.main

    # Typer brings its own copy of click; this is its exception for wrong usage.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    module = import_module(f"campaignctl.cli.{COMMANDS[name].module}")
    command = typer.main.get_command(module.app)
    try:
        result = command.main(arguments, prog_name=f"campaignctl {name}", standalone_mode=False)
    except (typer.Abort, EOFError):
        _say("nothing was changed")
        return 1
    except typer.Exit as end:
        return end.exit_code
    except usage_error as usage:
        said = str(getattr(usage, "format_message", usage.__str__)())
        _say(f"error[U100]: {said[:1].lower()}{said[1:].rstrip('.')}")
        _say(f"  = hint: see `campaignctl {name} --help`")
        return 2
    return result if isinstance(result, int) else 0


def _start_quickly() -> None:
    """What Python and its libraries need not do while modules are loaded."""
    # Modules and models stay: looking for garbage among them, again and again, takes a tenth of the start.
    gc.set_threshold(50_000, 20, 50)
    # To look for plugins, pydantic reads the description of every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _unknown(name: str) -> int:
    from campaignctl.diagnostics import did_you_mean

    _say(f"error[U100]: `{name}` is not a command")
    _say(f"  = hint: {did_you_mean(name, COMMANDS, 'see `campaignctl --help`')}")
    return 2


def _say(text: str) -> None:
    print(text, file=sys.stderr)
