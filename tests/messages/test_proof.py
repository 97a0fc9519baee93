"""What is proven of a template is so for every contact."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignctl.campaign.attribute import AttributeType
from campaignctl.message.content import Body, EmailContent, Surroundings
from campaignctl.message.email import EmailTemplate
from campaignctl.message.proof import Proof
from campaignctl.message.sandbox import RenderError

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SURROUNDINGS = Surroundings("sale", "Sale", "first", "customers", "shop", "1 rue de la Paix")
TYPES = {
    "name": AttributeType.TEXT,
    "visits": AttributeType.INTEGER,
    "spent": AttributeType.NUMBER,
    "vip": AttributeType.BOOLEAN,
    "born": AttributeType.DATE,
}
PROVEN = {
    "Hello": (set(), set()),
    "{{ contact.name }}": ({"name"}, {"name"}),
    "{{ contact['name'] | upper | trim }}": ({"name"}, {"name"}),
    "{{ contact.name | default('friend') | title }}": (set(), set()),
    "{{ contact.spent | round }} {{ contact.born | date('%d.%m.') }}": ({"spent", "born"}, {"spent", "born"}),
    "{% if contact.vip %}{{ contact.name }}{% else %}{{ contact.visits }}{% endif %}": (
        {"vip", "name", "visits"},
        set(),
    ),
    "{% if contact.name is defined %}{{ contact.name }}{% endif %}": ({"name"}, set()),
    "{% if contact.visits > 3 and not contact.vip %}a{% endif %}": ({"visits", "vip"}, set()),
    "{{ 'a' if contact.name == 'Ada' else contact.visits }}": ({"name", "visits"}, set()),
    "{{ contact.name ~ contact.visits }}": ({"name", "visits"}, set()),
    "{{ link('https://shop.example') }} {{ postal_address }} {{ campaign.title }}": (set(), set()),
}
UNPROVEN = [
    "{% for letter in contact.name %}{{ letter }}{% endfor %}",
    "{{ contact.name | round }}",
    "{{ contact.name | date }}",
    "{{ contact.born | round }}",
    "{{ contact.name.upper() }}",
    "{{ data.order }}",
    "{{ contact.visits + 1 }}",
    "{% if contact.name > 3 %}a{% endif %}",
    "{{ contact.name if contact.vip }}",
    "{{ contact.items }}",
    "{% set x = contact.name %}{{ x }}",
    "{{ contact.visits | default('a') | round }}",
]


def template(source: str) -> EmailTemplate:
    return EmailTemplate(
        EmailContent(subject="Hi", bodies=(Body("a.txt", "txt", source),), sender="news@shop.example"), SURROUNDINGS
    )


def can_be_made(made: EmailTemplate, contact: dict[str, object]) -> bool:
    try:
        made.finished("key", "ada@example.org", contact, NOW)
    except RenderError:
        return False
    return True


@pytest.mark.parametrize("source", PROVEN)
def test_a_plain_template_is_proven(source: str) -> None:
    needed, required = PROVEN[source]
    assert template(source).proof(TYPES) == Proof(frozenset(needed), frozenset(required))


@pytest.mark.parametrize("source", UNPROVEN)
def test_of_other_templates_nothing_is_said(source: str) -> None:
    assert template(source).proof(TYPES) is None


@given(
    source=st.lists(st.sampled_from(list(PROVEN)), min_size=1, max_size=3).map(" ".join),
    contact=st.fixed_dictionaries(
        {},
        optional={
            "name": st.text(max_size=1000),
            "visits": st.integers(-(10**18), 10**18),
            "spent": st.floats(allow_nan=False, allow_infinity=False, width=32),
            "vip": st.booleans(),
            "born": st.dates(),
        },
    ),
)
def test_who_has_what_is_needed_gets_the_message_and_who_lacks_what_is_required_does_not(
    source: str, contact: dict[str, object]
) -> None:
    made = template(source)
    proof = made.proof(TYPES)
    assert proof is not None
    if proof.needed <= set(contact):
        assert can_be_made(made, contact)
    if not proof.required <= set(contact):
        assert not can_be_made(made, contact)
