"""Giving contacts out as a file, which can be imported again and then changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any, TextIO, assert_never

from sqlalchemy import Connection, select

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.separated import separated_writer
from campaignctl.contacts.spreadsheet import quoted
from campaignctl.store.instants import instant
from campaignctl.store.lists import ContactList

_ROWS_AT_ONCE = 1000


class ExportFormat(StrEnum):
    """The form that contacts are written in."""

    CSV = "csv"  # fields separated by commas
    TSV = "tsv"  # fields separated by tabs
    JSON = "json"  # one array of objects
    NDJSON = "ndjson"  # one object a line


# What a row of the table becomes: one value for each attribute, None where it is missing.
Row = tuple[Any, ...]


def export_contacts(connection: Connection, contact_list: ContactList, out: TextIO, kind: ExportFormat) -> int:
    """
    Write all contacts of the list to *out*, in the order they came, and say how many there are.

    Cells that a spreadsheet would calculate are marked as text in CSV and TSV; see `spreadsheet`.
    """
    names = [attribute.name for attribute in contact_list.attributes.values()]
    rows = _rows(connection, contact_list)
    match kind:
        case ExportFormat.CSV:
            return _write_separated(out, names, _as_cells(contact_list, rows), ",")
        case ExportFormat.TSV:
            return _write_separated(out, names, _as_cells(contact_list, rows), "\t")
        case ExportFormat.JSON:
            return _write_array(out, names, _as_values(contact_list, rows))
        case ExportFormat.NDJSON:
            return _write_lines(out, names, _as_values(contact_list, rows))
        case _:
            assert_never(kind)


def _rows(connection: Connection, contact_list: ContactList) -> Iterator[Row]:
    table = contact_list.table
    columns = [table.c[attribute.column] for attribute in contact_list.attributes.values()]
    result = connection.execute(select(*columns).order_by(table.c.id))
    for some in result.partitions(_ROWS_AT_ONCE):
        yield from (tuple(row) for row in some)


def _as_cells(contact_list: ContactList, rows: Iterator[Row]) -> Iterator[list[str]]:
    written = [_cell(attribute.type) for attribute in contact_list.attributes.values()]
    for row in rows:
        yield ["" if value is None else write(value) for write, value in zip(written, row, strict=True)]


def _as_values(contact_list: ContactList, rows: Iterator[Row]) -> Iterator[list[object]]:
    written = [_value(attribute.type) for attribute in contact_list.attributes.values()]
    for row in rows:
        yield [None if value is None else write(value) for write, value in zip(written, row, strict=True)]


def _cell(kind: AttributeType) -> Callable[[Any], str]:
    match kind:
        case AttributeType.TEXT:
            return quoted
        case AttributeType.BOOLEAN:
            return lambda kept: "true" if kept else "false"
        case AttributeType.NUMBER:
            return lambda kept: repr(float(kept))
        case AttributeType.INSTANT:
            return _instant
        case AttributeType.INTEGER | AttributeType.DATE:
            return str
        case _:
            assert_never(kind)


def _value(kind: AttributeType) -> Callable[[Any], object]:
    match kind:
        case AttributeType.BOOLEAN:
            return bool
        case AttributeType.NUMBER:
            return float
        case AttributeType.INSTANT:
            return _instant
        case AttributeType.TEXT | AttributeType.INTEGER | AttributeType.DATE:
            return lambda kept: kept
        case _:
            assert_never(kind)


def _instant(kept: int) -> str:
    return instant(kept).isoformat().replace("+00:00", "Z")


def _write_separated(out: TextIO, names: Sequence[str], rows: Iterator[list[str]], separator: str) -> int:
    writer = separated_writer(out, separator)
    writer.writerow(names)
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count


def _write_array(out: TextIO, names: Sequence[str], rows: Iterator[list[object]]) -> int:
    count = 0
    out.write("[")
    for row in rows:
        out.write(",\n" if count else "\n")
        out.write(_object(names, row))
        count += 1
    out.write("\n]\n" if count else "]\n")
    return count


def _write_lines(out: TextIO, names: Sequence[str], rows: Iterator[list[object]]) -> int:
    count = 0
    for row in rows:
        out.write(_object(names, row) + "\n")
        count += 1
    return count


def _object(names: Sequence[str], row: list[object]) -> str:
    return json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
