"""What people and programs see: tables, documents, sentences."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from campaignctl.diagnostics import Problem, Severity, by_place

# Control characters, which come with people's data; line ends and tabs are harmless.
_STEERING = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "�")


def document(**fields: Any) -> None:
    """A JSON document of the contract, on stdout."""
    text = json.dumps({"version": 1} | fields, ensure_ascii=False, indent=2, default=_as_json)
    # Half of a character pair can only be written as JSON escapes it: `\ud800`.
    print(text.encode("utf-8", "backslashreplace").decode())


def _as_json(value: object) -> str:
    return str(utc_text(value) if isinstance(value, datetime) else value)


def utc_text(at: datetime | None) -> str | None:
    """
    An instant as JSON documents write it.

    >>> utc_text(datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
    '2026-12-01T08:00:00Z'
    """
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table in plain text: the same in a terminal, in a pipe and in a file."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return str(utc_text(value))
    return " ".join(str(value).split()).translate(_STEERING)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def say(text: str) -> None:
    """Something for people beside the results, without what would steer their terminal."""
    print(text.translate(_STEERING), file=sys.stderr)


def problem_text(problem: Problem, text: str | None) -> str:
    """
    A problem with the line it stands in and a caret below.

    ::

        error[C203]: step `half` leads to `remind-me`, which does not exist
         --> welcome.yaml:6:7
          |
        6 |       remind-me: 50
          |       ^^^^^^^^^
          = hint: did you mean `reminder`?
    """
    span = problem.span
    number = str(span.line)
    margin = " " * len(number)
    parts = [
        f"{problem.severity}[{problem.code}]: {problem.message}",
        f"{margin}--> {problem.file}:{span.line}:{span.column}",
    ]
    lines = text.splitlines() if text is not None else []
    if 0 < span.line <= len(lines):
        line = lines[span.line - 1].replace("\t", " ")
        end = span.end_column if span.end_line == span.line else len(line) + 1
        start = max(0, span.column - 50) if len(line) > 100 else 0
        carets = "^" * max(1, min(end - span.column, 100 - (span.column - start)))
        parts += [
            f"{margin} |",
            f"{number} | {line[start : start + 100]}",
            f"{margin} | {' ' * (span.column - 1 - start)}{carets}",
        ]
    if problem.hint:
        parts.append(f"{margin} = hint: {problem.hint}")
    return "\n".join(parts)


def show_problems(problems: Iterable[Problem], texts: Mapping[str, str]) -> None:
    """All problems on stderr, by place, with a last line that counts them."""
    found = by_place(problems)
    for problem in found:
        say(problem_text(problem, texts.get(problem.file)) + "\n")
    say(f"{counted(found)}. Fix them and try again.")


def counted(problems: Sequence[Problem]) -> str:
    """
    How many there are of each severity.

    >>> counted([Problem("C1", ""), Problem("C2", "", severity=Severity.WARNING)])
    '1 error, 1 warning'
    """
    words = []
    for severity in Severity:
        number = sum(problem.severity is severity for problem in problems)
        if number:
            words.append(f"{number} {severity}{'' if number == 1 else 's'}")
    return ", ".join(words) or "no problems"
