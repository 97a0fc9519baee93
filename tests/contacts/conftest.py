"""What tests of contacts may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contacts.address_book import AddressBook


@pytest.fixture
def book(tmp_path: Path) -> Iterator[AddressBook]:
    made = AddressBook(tmp_path)
    yield made
    made.close()
