"""Which reader reads which file."""

from __future__ import annotations

from typing import assert_never

from campaignctl.contacts.batch import Reader
from campaignctl.contacts.database_table import TableReader
from campaignctl.contacts.documents import JsonReader, NdjsonReader
from campaignctl.contacts.separated import SeparatedReader
from campaignctl.contacts.source import Format, Source


def open_source(source: Source) -> Reader:
    """
    Open *source* and read as much of it as tells that it is a file of contacts.

    Raises:
        UsageError: its kind, encoding or table has to be said.
        WorkFailedError: it cannot be read, or is not what it says it is.
    """
    source.size()
    match source.known_format():
        case Format.CSV | Format.TSV:
            return SeparatedReader(source)
        case Format.JSON:
            return JsonReader(source)
        case Format.NDJSON:
            return NdjsonReader(source)
        case Format.SQLITE:
            return TableReader(source)
        case kind:
            assert_never(kind)
