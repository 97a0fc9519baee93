"""A condition means the same in SQL and in Python, for any condition and any contact."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sqlalchemy import insert, select

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.condition import Condition
from campaignctl.campaign.matching import Facts, is_met
from campaignctl.campaign.when import zone_named
from campaignctl.store.attributes import as_stored
from campaignctl.store.conditions import Circumstances, matches
from campaignctl.store.database import open_in_memory
from campaignctl.store.lists import add_attributes, contact_values, ensure_list

NOW = datetime(2027, 2, 28, 22, 30, tzinfo=UTC)
ZONE = zone_named("Europe/Paris")
CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)
TYPES = {
    "word": AttributeType.TEXT,
    "visits": AttributeType.INTEGER,
    "spent": AttributeType.NUMBER,
    "consent": AttributeType.BOOLEAN,
    "born": AttributeType.DATE,
    "seen": AttributeType.INSTANT,
}
words = st.sampled_from(["", "a", "A", "ab", "b%", "_", "été", "2026-01-31", "'; DROP", "1"])
numbers = st.sampled_from([-1, 0, 1, 2, 2.5, 100])
days = st.sampled_from(["2024-02-29", "2026-02-28", "2027-01-30", "2027-02-28", "2027-03-01"])
instants = st.sampled_from(["2027-02-28T22:30Z", "2027-02-27T23:30+01:00", "2024-02-28T23:30Z", "2026-06-01T00:00Z"])
values = st.one_of(words.filter(bool), numbers, st.booleans(), days, instants)
texts = words.filter(bool)
operators: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("eq", "ne", "gt", "gte", "lt", "lte", "before", "after"), values),
    **dict.fromkeys(("in", "not_in"), st.lists(values, min_size=1, max_size=3)),
    "between": st.lists(values, min_size=2, max_size=2),
    **dict.fromkeys(("contains", "not_contains", "starts_with", "ends_with"), texts),
    "exists": st.booleans(),
    **dict.fromkeys(("within", "older_than"), st.sampled_from(["30d", "1d", "12h"])),
    "anniversary": st.just("today"),
}
comparisons = st.sampled_from(sorted(operators)).flatmap(
    lambda operator: st.fixed_dictionaries(
        {"attribute": st.sampled_from([*TYPES, "nobody_has"]), operator: operators[operator]}
    )
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        *(st.fixed_dictionaries({group: st.lists(inner, min_size=1, max_size=3)}) for group in ("all", "any", "none")),
        st.builds(lambda of: {"at_least": len(of) // 2 + 1, "of": of}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)
contacts = st.fixed_dictionaries(
    {
        "word": st.none() | words.filter(bool),
        "visits": st.none() | st.sampled_from([-1, 0, 1, 2, 100]),
        "spent": st.none() | st.sampled_from([0.0, 2.5, 100.0]),
        "consent": st.none() | st.booleans(),
        "born": st.none() | days,
        "seen": st.none() | instants,
    }
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conditions, st.lists(contacts, min_size=1, max_size=4))
def test_sql_and_python_agree(written: dict[str, Any], people: list[dict[str, Any]]) -> None:
    condition = CONDITION.validate_python(written)
    database = open_in_memory(NOW)
    try:
        with database.writing() as connection:
            known = add_attributes(connection, ensure_list(connection, "people", "id"), TYPES)
            for number, person in enumerate(people):
                row = {known.column(name).name: as_stored(value, TYPES[name]) for name, value in person.items()}
                connection.execute(insert(known.table).values(contact_key=str(number), **row))
            where = matches(condition, known, Circumstances(NOW, ZONE, {}))
            in_sql = {row.contact_key for row in connection.execute(select(known.table).where(where))}
            in_python = {
                row.contact_key
                for row in connection.execute(select(known.table))
                if is_met(condition, Facts(contact_values(known, row), NOW, ZONE))
            }
    finally:
        database.close()
    assert in_sql == in_python


@pytest.mark.parametrize(
    ("written", "matching"),
    [
        ({"attribute": "word", "eq": "Lyon"}, True),
        ({"attribute": "word", "eq": "lyon"}, False),
        ({"attribute": "visits", "ne": 3}, True),
        ({"attribute": "visits", "gt": 3}, False),
        ({"attribute": "born", "anniversary": "today"}, True),
        ({"attribute": "born", "within": "10000d"}, True),
    ],
)
def test_what_conditions_say_of_one_contact(written: dict[str, Any], matching: bool) -> None:
    """Text is compared as it is; what is missing matches `ne` only; 29 February counts on the 28th."""
    facts = Facts({"word": "Lyon", "born": date(2004, 2, 29)}, NOW - timedelta(hours=12), ZONE)
    assert is_met(CONDITION.validate_python(written), facts) is matching
