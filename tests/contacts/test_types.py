"""Which type an attribute has, and what fits it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from contacts.address_book import AddressBook, counts, rejected
from hypothesis import example, given
from hypothesis import strategies as st

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.detection import Detection, are_of_type, is_of_type
from campaignctl.errors import RefusedError


def column(cells: list[str]) -> str:
    return "id,it\n" + "".join(f"{number},{cell}\n" for number, cell in enumerate(cells))


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["7", "-12", "0"], "integer", [7, -12, 0]),
        (["7", "", "8"], "integer", [7, None, 8]),
        (["999999999999999999"], "integer", [999999999999999999]),
        (["7", "1.5", "-0.25"], "number", [7.0, 1.5, -0.25]),
        (["1.5", "7"], "number", [1.5, 7.0]),
        (["2e-05", "1E+20"], "number", [0.00002, 1e20]),
        (["true", "FALSE", "True"], "boolean", [True, False, True]),
        (["2026-12-01", "2028-02-29"], "date", [date(2026, 12, 1), date(2028, 2, 29)]),
        (
            ["2026-12-01T09:00+01:00", "2026-12-01 08:00:01.5Z"],
            "instant",
            [datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 1, 8, 0, 1, 500000, tzinfo=UTC)],
        ),
        (["", ""], "text", [None, None]),
        # What looks like a value of another type, and would not come out as it went in
        (["01234", "7"], "text", ["01234", "7"]),
        (["+33123456789", "7"], "text", ["+33123456789", "7"]),
        (["1000000000000000000"], "text", ["1000000000000000000"]),
        (["12345678901234567", "1.5"], "text", ["12345678901234567", "1.5"]),
        (["1e5"], "text", ["1e5"]),
        (["1.", ".5"], "text", ["1.", ".5"]),
        (["1 000"], "text", ["1 000"]),
        (["-0"], "number", [0.0]),
        (["nan", "inf"], "text", ["nan", "inf"]),
        (["1", "0", "true"], "text", ["1", "0", "true"]),
        (["yes"], "text", ["yes"]),
        (["2026-02-29"], "text", ["2026-02-29"]),
        (["1900-02-29"], "text", ["1900-02-29"]),
        (["0000-01-01"], "text", ["0000-01-01"]),
        (["01/12/2026"], "text", ["01/12/2026"]),
        (["2026-12-01T09:00"], "text", ["2026-12-01T09:00"]),
        (["2026-12-01T24:00Z"], "text", ["2026-12-01T24:00Z"]),
        (["2026-12-01", "2026-12-01T09:00Z"], "text", ["2026-12-01", "2026-12-01T09:00Z"]),
        (["٣", "٤"], "text", ["٣", "٤"]),
        ([" 7"], "text", [" 7"]),
    ],
)
def test_an_attribute_has_the_narrowest_type_that_keeps_every_value(
    book: AddressBook, cells: list[str], kind: str, values: list[object]
) -> None:
    report = book.bring(column(cells))
    assert (report.added, book.types(), book.values("it")) == (len(cells), {"it": kind}, values)
    assert report.attributes_added == {"id": "text", "it": kind}


def test_one_cell_far_down_decides_for_all(book: AddressBook) -> None:
    book.bring(column([*map(str, range(20_000)), "n/a"]))
    assert book.types() == {"it": "text"}
    assert book.values("it")[:3] == ["0", "1", "2"]


def test_an_integer_with_too_many_digits_for_a_number_stays_as_it_is_whatever_comes_later(book: AddressBook) -> None:
    """A number holds sixteen digits; the seventeenth must not depend on how far away the first point is."""
    book.bring(column(["123456789012345678", *["1"] * 30_000, "1.5"]))
    assert book.values("it")[:2] == ["123456789012345678", "1"]


def test_what_a_file_marks_as_text_is_no_number(book: AddressBook) -> None:
    records = [{"id": 1, "zip": "75001", "flag": "true", "day": "2026-12-01", "visits": 3, "ratio": 0.5, "ok": True}]
    book.bring(json.dumps(records), "contacts.json")
    assert book.types() == {
        "zip": "text",
        "flag": "text",
        "day": "date",
        "visits": "integer",
        "ratio": "number",
        "ok": "boolean",
    }


def test_integers_become_numbers_when_a_later_file_brings_one(book: AddressBook) -> None:
    book.bring("id,spent\nc-1,3\nc-2,4\n")
    assert book.types() == {"spent": "integer"}

    report = book.bring("id,spent\nc-2,4.5\nc-3,5\n")
    assert (counts(report), report.attributes_widened) == ((1, 1, 0, 0), ("spent",))
    assert book.types() == {"spent": "number"}
    assert [(value, type(value)) for value in book.values("spent")] == [(3.0, float), (4.5, float), (5.0, float)]

    # And stay numbers
    assert book.bring("id,spent\nc-1,6\n").attributes_widened == ()
    assert book.types() == {"spent": "number"}


@pytest.mark.parametrize(
    ("before", "later"),
    [
        ("id,it\nc-1,123456789012345678\n", "id,it\nc-2,1.5\n"),
        ("id,it\nc-1,3\n", column(["123456789012345678", *["1"] * 30_000, "1.5"])),
    ],
    ids=["in the list", "in the file"],
)
def test_integers_do_not_become_numbers_when_that_costs_them_digits(book: AddressBook, before: str, later: str) -> None:
    book.bring(before)
    contacts = book.contacts()
    with pytest.raises(RefusedError, match=r"`it` is of type integer, with values that are too long") as refused:
        book.bring(later)
    assert refused.value.code == "S204"
    assert (book.contacts(), book.types()) == (contacts, {"it": "integer"})


def test_a_value_of_the_wrong_type_is_rejected_with_its_line(book: AddressBook) -> None:
    book.bring("id,visits,born,is_member,seen,spent\nc-1,3,2000-01-01,true,2026-12-01T09:00Z,1.5\n")
    report = book.bring(
        "id,visits,born,is_member,seen,spent\n"
        "c-2,4,2000-01-02,false,2026-12-01T10:00Z,2\n"
        "c-3,many,2000-01-02,false,2026-12-01T10:00Z,2\n"
        "c-4,4,yesterday,false,2026-12-01T10:00Z,2\n"
        "c-5,4,2000-01-02,perhaps,2026-12-01T10:00Z,2\n"
        "c-6,4,2000-01-02,1,2026-12-01,2\n"
        "c-7,4,2000-01-02,1,,a lot\n"
        "c-8,4,2000-01-02,0,,3\n"
    )
    assert rejected(report) == [(line, "wrong type") for line in (3, 4, 5, 6, 7)]
    assert [row.key for row in report.rejected] == ["c-3", "c-4", "c-5", "c-6", "c-7"]
    assert report.rejected[0].detail == "`visits` is of type integer, and `many` is not"
    assert set(book.contacts()) == {"c-1", "c-2", "c-8"}
    assert book.values("is_member") == [True, False, False]
    assert book.types()["visits"] == "integer"


def test_the_user_says_the_type_of_a_new_attribute(book: AddressBook) -> None:
    types = {"zip": AttributeType.TEXT, "Spent": AttributeType.NUMBER, "ok": AttributeType.BOOLEAN}
    report = book.bring("id,zip,spent,ok\nc-1,75001,3,1\nc-2,75002,a lot,0\nc-3,75003,,0\n", types=types)
    assert rejected(report) == [(3, "wrong type")]
    assert book.types() == {"zip": "text", "Spent": "number", "ok": "boolean"}
    assert book.contacts() == {"c-1": {"zip": "75001", "Spent": 3.0, "ok": True}, "c-3": {"zip": "75003", "ok": False}}


def test_what_the_user_calls_an_integer_stays_one(book: AddressBook) -> None:
    report = book.bring("id,visits\nc-1,1\nc-2,1.5\n", types={"visits": AttributeType.INTEGER})
    assert (rejected(report), report.attributes_widened) == ([(3, "wrong type")], ())
    assert book.types() == {"visits": "integer"}


def test_an_attribute_cannot_be_given_another_type(book: AddressBook) -> None:
    book.bring("id,visits\nc-1,3\n")
    with pytest.raises(RefusedError, match=r"`visits` is of type integer, not text") as refused:
        book.bring("id,visits\nc-1,4\n", types={"visits": AttributeType.TEXT})
    assert refused.value.code == "S204"
    with pytest.raises(RefusedError, match=r"`id` is of type text, not integer"):
        book.bring("id,visits\n1,4\n", types={"id": AttributeType.INTEGER})
    assert book.contacts() == {"c-1": {"visits": 3}}


def test_an_attribute_without_values_takes_any_text_later(book: AddressBook) -> None:
    book.bring("id,note\nc-1,\n")
    book.bring("id,note\nc-1,7\n")
    assert book.contacts() == {"c-1": {"note": "7"}}


likely_cells = st.one_of(
    st.text("0123456789-+.eETZ: truefals", max_size=12),
    st.floats(width=64).map(repr),
    st.integers().map(str),
    st.dates().map(str),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]", fullmatch=True),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?(\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:?00)",
        fullmatch=True,
    ),
    st.from_regex(r"-?[0-9]{1,17}(\.[0-9]{1,31})?[eE][+-][0-9]{1,3}", fullmatch=True),
)


@given(st.lists(likely_cells, max_size=5), st.sampled_from(AttributeType))
def test_cells_fit_a_type_together_when_each_of_them_does(cells: list[str], kind: AttributeType) -> None:
    assert are_of_type("".join(f"{cell}\0" for cell in cells), kind) == all(is_of_type(cell, kind) for cell in cells)


@given(likely_cells.filter(bool))
def test_a_day_is_what_the_calendar_has(cell: str) -> None:
    day = None
    if len(cell) == 10:
        with suppress(ValueError):
            day = date.fromisoformat(cell)
    assert is_of_type(cell, AttributeType.DATE) == (day is not None)


@given(likely_cells.filter(bool))
def test_an_instant_that_fits_is_one_that_python_can_keep_in_utc(cell: str) -> None:
    if is_of_type(cell, AttributeType.INSTANT):
        at = datetime.fromisoformat(cell)
        assert at.utcoffset() is not None
        assert at.astimezone(UTC) - at == timedelta(0)


@given(likely_cells.filter(bool))
@example("9999999999999999e+307")
@example("9.9999999999999999999e+307")
@example("0.000000001e-307")
@example("999999999999999.99999999")
@example("1e-307")
def test_a_number_that_fits_still_does_when_it_is_written_out(cell: str) -> None:
    """An export writes the number as Python does; importing that must not reject it."""
    if is_of_type(cell, AttributeType.NUMBER):
        assert is_of_type(repr(float(cell)), AttributeType.NUMBER)


@given(st.lists(likely_cells, min_size=1, max_size=6), st.integers(0, 6))
def test_the_type_is_the_same_however_the_cells_come_in_batches(cells: list[str], cut: int) -> None:
    at_once, in_two = Detection(), Detection()
    at_once.look_at("".join(f"{cell}\0" for cell in cells))
    for some in (cells[:cut], cells[cut:]):
        in_two.look_at("".join(f"{cell}\0" for cell in some))
    assert in_two.type is at_once.type
