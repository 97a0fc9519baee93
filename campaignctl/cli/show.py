"""What people and programs see: tables, documents, problems."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TextIO

from campaignctl.cli.screen import Style, say, styled, visible
from campaignctl.clock import utc_text as utc_text
from campaignctl.diagnostics import Problem, Severity, by_place, has_errors

# Words of the contract that stand out in tables.
_STYLES = {
    "active": Style.GOOD,
    "running": Style.GOOD,
    "paused": Style.WAITING,
    "held": Style.WARNING,
    "stopped": Style.ERROR,
    "cancelled": Style.QUIET,
    "skipped": Style.QUIET,
    "completed": Style.QUIET,
    "done": Style.QUIET,
    "ok": Style.GOOD,
    "warn": Style.WARNING,
    "fail": Style.ERROR,
}


def document(**fields: Any) -> None:
    """A JSON document of the contract, on stdout."""
    text = json.dumps({"version": 1} | fields, ensure_ascii=False, indent=2, default=_as_json)
    # Half of a character pair can only be written as JSON escapes it: `\ud800`.
    print(text.encode("utf-8", "backslashreplace").decode())


def lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Many rows for programs: one JSON object a line, on stdout."""
    for row in rows:
        print(json.dumps(row, ensure_ascii=False, default=_as_json))


def _as_json(value: object) -> str:
    return str(utc_text(value) if isinstance(value, datetime) else value)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table in plain text: the same in a terminal, in a pipe and in a file, but for colours."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        coloured = (styled(text, _STYLES.get(cell), sys.stdout) for cell, text in zip(row, padded, strict=True))
        print("  ".join(coloured).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"  # as files say it
    if isinstance(value, datetime):
        return str(utc_text(value))
    return visible(" ".join(str(value).split()))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def problem_text(problem: Problem, text: str | None, stream: TextIO | None = None) -> str:
    """
    A problem with the line it stands in and a caret below; coloured where *stream* is a terminal.

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
    style = Style.ERROR if problem.severity is Severity.ERROR else Style.WARNING

    def marked(word: str) -> str:
        return word if stream is None else styled(word, style, stream)

    parts = [
        f"{marked(f'{problem.severity}[{problem.code}]')}: {visible(problem.message)}",
        f"{margin}--> {visible(problem.file)}:{span.line}:{span.column}",
    ]
    lines_of_file = text.splitlines() if text is not None else []
    if 0 < span.line <= len(lines_of_file):
        line = lines_of_file[span.line - 1].replace("\t", " ")
        end = span.end_column if span.end_line == span.line else len(line) + 1
        start = max(0, span.column - 50) if len(line) > 100 else 0
        before, shown = line[start : span.column - 1], line[start : start + 100]
        carets = "^" * max(1, min(_width(line[span.column - 1 : end - 1]), 100 - (span.column - start)))
        parts += [
            f"{margin} |",
            f"{number} | {visible(shown)}".rstrip(),
            f"{margin} | {' ' * _width(visible(before))}{marked(carets)}",
        ]
    if problem.hint:
        parts.append(f"{margin} = hint: {visible(problem.hint)}")
    return "\n".join(parts)


def show_problems(problems: Iterable[Problem], texts: Mapping[str, str]) -> None:
    """All problems on stderr, by place, with a last line that counts them."""
    found = by_place(problems)
    for problem in found:
        print(problem_text(problem, texts.get(problem.file), sys.stderr) + "\n", file=sys.stderr)
    say(f"{counted(found)}. {'Fix the errors and try again.' if has_errors(found) else ''}".rstrip())


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
