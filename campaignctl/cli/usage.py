"""Wrong usage, in our words: what the library for command lines noticed, and a hint."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from campaignctl.diagnostics import did_you_mean


def usage_trouble(error: Any, command: str) -> tuple[str, str]:
    """The sentence and the hint for an exception of the library about *command*."""
    see = f"see `campaignctl {command} --help`"
    match type(error).__name__:
        case "NoSuchOption":
            return f"`{error.option_name}` is no option of `{command}`", did_you_mean(
                error.option_name, _options(error.ctx), see
            )
        case "MissingParameter":
            return f"{_named(error.param)} is missing", see
        case "BadParameter":
            told = re.search(r"'([^']*)' is not one of ([^.]+)", str(error.message))
            if told is None:
                return f"the value of {_named(error.param)} cannot be used", see
            return f"{_named(error.param)} cannot be `{told[1]}`", f"write one of {told[2].replace(QUOTE, '`')}"
        case "BadOptionUsage":
            return f"`{error.option_name}` needs a value", see
    said = str(error.format_message())
    if found := re.search(r"unexpected extra arguments?(?:\(s\))? \((.+)\)", said):
        return f"`{found[1]}` is too much", see
    if found := re.search(r"No such command '([^']+)'", said):
        return f"`{found[1]}` is no command of `{command}`", see
    return f"a command is missing after `{command}`", see


QUOTE = "'"


def _options(context: Any) -> Iterable[str]:
    parameters = [] if context is None else context.command.params
    return [name for each in parameters for name in (*each.opts, *each.secondary_opts) if name.startswith("-")]


def _named(parameter: Any) -> str:
    if parameter is None:
        return "a value"
    option = next((name for name in parameter.opts if name.startswith("--")), None)
    return f"`{option or (parameter.metavar or parameter.name).upper()}`"
