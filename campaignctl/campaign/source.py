"""
YAML text becomes values, and the place of every key and value is kept.

The language is YAML 1.2 core without anchors, aliases, tags or merge keys.
Plain scalars stay text (`Plain`) until the field that they stand in reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from campaignctl.diagnostics import START, Problem, Span

Path = tuple[str | int, ...]
Value = dict[str, "Value"] | list["Value"] | str

LARGEST_FILE: Final = 1024 * 1024
DEEPEST_LEVEL: Final = 32


class Plain(str):
    """A scalar written without quotes: `NO`, `10:30`, `0123`. Its field decides what it means."""

    __slots__ = ()


@dataclass(frozen=True)
class Place:
    """Where a value stands, and its key where it has one."""

    value: Span
    key: Span | None = None


@dataclass(frozen=True)
class Source:
    """The text of one file, its values, and their places."""

    name: str
    text: str
    value: Value
    places: dict[Path, Place] = field(repr=False)

    def span(self, path: Path, *, at_key: bool = False) -> Span:
        """The place of the value at *path*, or of its key; else of the nearest thing around it."""
        while path and path not in self.places:
            path, at_key = path[:-1], True
        place = self.places.get(path)
        if place is None:
            return START
        return place.key if at_key and place.key else place.value


def read_source(name: str, content: bytes) -> Source | list[Problem]:
    """The values of a YAML file, or what is wrong with its text."""
    if len(content) > LARGEST_FILE:
        return [Problem("C100", "the file is larger than 1 MiB", "split it into several files", file=name)]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = content.count(b"\n", 0, failure.start) + 1
        column = len(content[content.rfind(b"\n", 0, failure.start) + 1 : failure.start].decode("utf-8-sig")) + 1
        span = Span(line, column, line, column + 1)
        return [Problem("C100", "the file is not UTF-8 text", "save it as UTF-8", file=name, span=span)]
    return read_text(name, text)


def read_text(name: str, text: str) -> Source | list[Problem]:
    """As `read_source`, for text that is already decoded."""
    reader = _Reader(name)
    try:
        parser = yaml.parse(text, Loader=_EVENTS)
        value = reader.document(parser)
    except yaml.YAMLError as failure:
        found = _syntax_problem(name, text, failure)
        # What is wrong already is why the line cannot be read to its end.
        if all(problem.span.line != found.span.line for problem in reader.problems):
            reader.problems.append(found)
    except _TooDeepError as failure:
        reader.problems.append(
            Problem(
                "C104",
                "the file is nested more than 32 levels deep",
                "make it flatter",
                file=name,
                span=failure.span,
            )
        )
    if reader.problems:
        return reader.problems
    return Source(name, text, value, reader.places)


# libyaml's parser is ten times as fast; the pure one is there wherever Python is.
_EVENTS: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _TooDeepError(Exception):
    def __init__(self, span: Span) -> None:
        super().__init__()
        self.span = span


class _Reader:
    """Builds values from the parser's events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.places: dict[Path, Place] = {}

    def document(self, events: Any) -> Value:
        value: Value = {}
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._complain("C105", "the file holds more than one document", "keep one campaign a file", event)
            elif isinstance(event, yaml.NodeEvent):
                read = self._value(event, events, (), None)
                value = value if documents > 1 else read
        return value

    def _value(self, event: Any, events: Any, path: Path, key: Span | None) -> Value:
        span = _span(event)
        if len(path) > DEEPEST_LEVEL:
            raise _TooDeepError(span)
        if isinstance(event, yaml.AliasEvent):
            self._complain(
                "C103",
                f"an alias (`*{event.anchor}`) is not part of the language",
                "write the value out",
                event,
            )
            return Plain("")
        if event.anchor is not None:
            self._complain("C103", f"an anchor (`&{event.anchor}`) is not part of the language", "leave it out", event)
        if event.tag is not None and event.tag != "!":
            self._complain("C103", "a tag (`!…`) is not part of the language", "leave it out", event)
        if isinstance(event, yaml.ScalarEvent):
            self.places[path] = Place(span, key)
            return event.value if event.style else Plain(event.value)
        self.places[path] = Place(span, key)
        if isinstance(event, yaml.SequenceStartEvent):
            value: Value = self._sequence(events, path)
        else:
            value = self._mapping(events, path)
        return value

    def _sequence(self, events: Any, path: Path) -> list[Value]:
        items: list[Value] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, events, (*path, len(items)), None))
        return items

    def _mapping(self, events: Any, path: Path) -> dict[str, Value]:
        mapping: dict[str, Value] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, events, path)
            span = _span(event)
            if key in mapping:
                first = self.places[*path, key].key
                where = f" (first on line {first.line})" if first else ""
                self._complain("C102", f"the key `{key}` is there twice{where}", "keep one of them", event)
            value = self._value(next(events), events, (*path, key), span)
            mapping.setdefault(key, value)
        return mapping

    def _key(self, event: Any, events: Any, path: Path) -> str:
        if isinstance(event, yaml.ScalarEvent):
            if event.value == "<<" and not event.style:
                self._complain("C103", "a merge key (`<<`) is not part of the language", "write the keys out", event)
            if event.anchor is not None or event.tag not in (None, "!"):
                self._complain("C103", "a key has an anchor or a tag", "leave it out", event)
            return str(event.value)
        if isinstance(event, yaml.MappingStartEvent) and event.flow_style:
            self._complain("C105", *_BARE_TEMPLATE, event)
        else:
            self._complain("C105", "a key has to be text", "write a word before the colon", event)
        self._value(event, events, (*path, ""), None)
        return ""

    def _complain(self, code: str, message: str, hint: str, event: Any) -> None:
        self.problems.append(Problem(code, message, hint, file=self.name, span=_span(event)))


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


_BARE_TEMPLATE: Final = ("`{{` begins a mapping here, and no template", "put the whole value in quotes")


def _syntax_problem(name: str, text: str, failure: yaml.YAMLError) -> Problem:
    """The parser's complaint in our words, at the place where it noticed."""
    mark = getattr(failure, "problem_mark", None)
    if mark is None:
        position = getattr(failure, "position", 0)
        before = text[:position] if isinstance(position, int) else ""
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message, hint = "a control character is not allowed in YAML", "remove it"
    else:
        if mark.index >= len(text.rstrip()) and getattr(failure, "context_mark", None):
            mark = failure.context_mark  # type: ignore[attr-defined] # what is not closed began there
        line, column = mark.line + 1, mark.column + 1
        message, hint = _explained(str(getattr(failure, "problem", "") or ""), text, line)
    return Problem("C101", message, hint, file=name, span=Span(line, column, line, column + 1))


def _explained(said: str, text: str, line: int) -> tuple[str, str]:
    lines = text.splitlines()
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())] or "'\\t'" in said:
        return "a tab is used for indentation", "indent with spaces"
    if "mapping values are not allowed" in said:
        return "a colon stands where no key can be", "put the value in quotes if it holds `: `"
    if "expected the node content" in said or "cannot start any token" in said:
        return "a value cannot begin with this character", "put it in quotes"
    if "undefined alias" in said:
        return "an alias (`*…`) is not part of the language", "write the value out"
    if "quoted scalar" in said or "end of stream" in said:
        return "a quote or bracket is opened and not closed", "close it"
    if "flow" in said or "',' or" in said:
        return (
            "a list or mapping in brackets is not closed, or lacks a comma",
            "check the brackets and commas",
        )
    return (
        "this is not YAML as it should be indented",
        "check the indentation of this line and the one before",
    )
