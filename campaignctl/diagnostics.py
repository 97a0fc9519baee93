"""Problems in files, as values with a place: what a check finds and what every renderer shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum


class Severity(StrEnum):
    """How bad a problem is."""

    ERROR = "error"  # the file cannot be published
    WARNING = "warning"  # it can, and somebody should look


@dataclass(frozen=True, order=True)
class Span:
    """
    A stretch of a file. Lines and columns count from 1; the end is exclusive.

    Columns are characters, as editors count them.
    """

    line: int
    column: int
    end_line: int
    end_column: int


START = Span(1, 1, 1, 2)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in one file, in the words of the file."""

    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    file: str = ""
    span: Span = START
    step: str | None = None

    def in_file(self, file: str) -> Problem:
        return replace(self, file=file)

    def as_error(self) -> Problem:
        return replace(self, severity=Severity.ERROR)


def by_place(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in the order of their places, each once."""
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda problem: (problem.file, problem.span, problem.code, problem.message))


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """
    A hint that names the known word nearest to *word*.

    >>> did_you_mean("segmnet", ["segment", "steps"])
    'did you mean `segment`?'
    """
    near = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else otherwise


def listed(words: Sequence[str], last: str = "or") -> str:
    """
    Words in backticks, as a sentence lists them.

    >>> listed(["a", "b", "c"])
    '`a`, `b` or `c`'
    """
    quoted = [f"`{word}`" for word in words]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"
