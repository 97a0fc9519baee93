"""JSON pointers (RFC 6901): where something stands in a document."""

from __future__ import annotations

import re
from typing import Any, Final

_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)+")


def is_pointer(text: str) -> bool:
    """
    Whether *text* is a pointer to a part of a document.

    >>> is_pointer("/messages/0/id"), is_pointer("messages.id"), is_pointer("/a~2")
    (True, False, False)
    """
    return _POINTER.fullmatch(text) is not None


def found_at(document: Any, pointer: str) -> Any:
    """
    What stands there; None where nothing does.

    >>> found_at({"messages": [{"id": "m-1"}]}, "/messages/0/id"), found_at([1], "/1"), found_at({"a/b": 1}, "/a~1b")
    ('m-1', None, 1)
    """
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document
