"""Where the program starts: finds the command's module, and turns failures into sentences and exit codes."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import NamedTuple

from campaignctl import __version__
from campaignctl.cli.screen import SCREEN, show_error
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
    "send-test": Entry("send_test", "Send one message through the real channel, marked as a test."),
    "simulate": Entry("simulate", "Run a campaign in virtual time: nothing is sent."),
    "test": Entry("test", "Run scenario files against campaigns."),
    "plan": Entry("plan", "Show what publishing a file would change."),
    "publish": Entry("publish", "Publish a campaign, or a change to it."),
    "extend": Entry("extend", "Add steps at the end of a campaign."),
    "reschedule": Entry("reschedule", "Give a step another time, in its file."),
    "approve": Entry("approve", "Agree to what somebody else has published."),
    "reject": Entry("reject", "Say no to it."),
    "skip": Entry("skip", "Leave out one start of a recurring campaign."),
    "run": Entry("run", "Run published campaigns."),
    "trigger": Entry("trigger", "Start a campaign that waits for a request."),
    "serve": Entry("serve", "Run the HTTP service."),
    "list": Entry("list", "List the campaigns of the store."),
    "status": Entry("status", "Show where a campaign stands."),
    "calendar": Entry("calendar", "Show what runs when, across all campaigns."),
    "history": Entry("history", "Show what was done with a campaign."),
    "trace": Entry("trace", "Show why a contact got what, and what not."),
    "pause": Entry("pause", "Let no step begin and no message leave, for now."),
    "resume": Entry("resume", "Let a paused campaign, or a held step, go on."),
    "stop": Entry("stop", "End a campaign: nothing more leaves."),
    "gate": Entry("gate", "See whom send gates hold, and decide by hand."),
    "hooks": Entry("hooks", "See who is told of what happens, and what could not be told."),
    "events": Entry("events", "Bring in what contacts did with messages."),
    "bounces": Entry("bounces", "Bring in bounces and complaints from a mailbox."),
    "suppress": Entry("suppress", "Say who must not be written to."),
    "uncertain": Entry("uncertain", "Decide about messages without a verdict."),
    "token": Entry("token", "Make and revoke keys of the HTTP service."),
    "store": Entry("store", "Prove, copy and upgrade the store."),
    "doctor": Entry("doctor", "Show what would go wrong."),
}


def start() -> None:
    """Run the command that the user typed."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; the exit code."""
    SCREEN.begin()
    arguments = _command_first(arguments)
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
        show_error(failure.code, failure.message, failure.hint)
        return failure.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe has seen enough; Python must not complain about it at its end.
        sys.stdout = None
        return 0


def _command_first(arguments: list[str]) -> list[str]:
    """
    The options that every command has may also stand before it.

    >>> _command_first(["--project", "shop", "-q", "list"])
    ['list', '--project', 'shop', '-q']
    """
    leading: list[str] = []
    rest = list(arguments)
    while rest and (rest[0] in _SHARED_FLAGS or rest[0].partition("=")[0] in _SHARED_VALUES):
        takes_next = rest[0] in _SHARED_VALUES
        leading += rest[: 1 + takes_next]
        rest = rest[1 + takes_next :]
    return [*rest, *leading] if rest else leading


_SHARED_FLAGS = ("-q", "--quiet", "-v", "--verbose", "--no-color")
_SHARED_VALUES = ("--project", "--store")


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

    from campaignctl.cli.options import give_shared_options

    # Typer brings its own copy of click; this is its exception for wrong usage.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    module = import_module(f"campaignctl.cli.{COMMANDS[name].module}")
    command = typer.main.get_command(module.app)
    give_shared_options(command)
    try:
        result = command.main(arguments, prog_name=f"campaignctl {name}", standalone_mode=False)
    except (typer.Abort, EOFError):
        print("nothing was changed", file=sys.stderr)
        return 1
    except typer.Exit as end:
        return end.exit_code
    except usage_error as usage:
        from campaignctl.cli.usage import usage_trouble

        show_error("U100", *usage_trouble(usage, name))
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

    show_error("U100", f"`{name}` is not a command", did_you_mean(name, COMMANDS, "see `campaignctl --help`"))
    return 2
