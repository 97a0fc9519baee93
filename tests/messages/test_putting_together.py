"""A message that is put together from encoded texts says exactly what the rendered one says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignctl.message.content import Attachment, Body, EmailContent, RenderedEmail, Surroundings
from campaignctl.message.email import EmailTemplate, constant_names
from campaignctl.message.links import Signer, StepLinks
from campaignctl.message.sandbox import CompiledTemplate, RenderError
from campaignctl.message.skeleton import skeleton_of

SURROUNDINGS = Surroundings("sale", 'Sale & "more"', "first", "customers", "shop", "1 rue de la Paix <Paris>")
LINKS = StepLinks("https://mail.shop.example", Signer(1, b"sixteen bytes or more"), 3)
MADE_AT = datetime(2026, 12, 1, tzinfo=UTC)

# Every form that needs no rendering; `v` is an attribute that may hold anything.
EXPRESSIONS = [
    "{{ contact.v }}", "{{ contact['v'] }}", "{{ contact.id }}", "{{ data.v }}", "{{ gate.v }}",
    "{{ contact.v | default('x') }}", "{{ contact.v | default('', true) }}", "{{ contact.v | d(3) }}",
    "{{ contact.v | default(none) }}", "{{ contact.v | default('<b>') | upper }}", "{{ contact.v | upper }}",
    "{{ contact.v | lower }}", "{{ contact.v | title }}", "{{ contact.v | capitalize }}", "{{ contact.v | trim }}",
    "{{ contact.v | trim('x') }}", "{{ contact.v | e }}", "{{ contact.v | forceescape | e }}",
    "{{ contact.v | string }}", "{{ contact.v | date }}", "{{ contact.v | date('%d. %m. %Y') }}",
    "{{ contact.v | date(form='%H:%M') | upper }}", "{{ contact.v | round }}", "{{ contact.v | round(2, 'floor') }}",
    "{{ contact.items | default('none') }}", "{{ contact.__class__ | default('none') }}",
    "{{ unsubscribe_url }}", "{{ view_url }}", "{{ postal_address }}", "{{ campaign.title }}", "{{ campaign.name }}",
    "{{ step }}", "{{ link('https://shop.example/?a=1&b=2') }}", "{{ link('https://shop.example') | upper }}",
    "{{ 7 * 6 }}", "{{ 'a' ~ campaign.title }}",
]  # fmt: skip
SURROUNDED = [
    "{}", "Hello {}", "{}, hello", "a{}{}b", "one\n{}\n", "one\n\n{}\n\ntwo", "one \n  {}  \n\n\n\ntwo", " {}\t",
    "{}=\r\n{}=3D é{}é €", "x" * 75 + "{}", "x" * 76 + "{}" + "=" * 80, "{# nothing #}{}\n.\n..\nFrom me\n",
    "П" * 40 + "{}" + "ривет" * 10 + "\n",
]  # fmt: skip
ODD = [
    "", " ", "\t", "\r", "a\n", "\n\n\n", "a\0b", "\x1b[1m\x85\u2028\u2029", "\ud83d", "é€😀", "=3D =", "{{ 7*7 }}",
    "{% for a in b %}", "=?utf-8?b?w6k=?=", "=?x?=\r\nBcc: eve@example.org", "x" * 72, "x" * 73, "é" * 999, "x" * 1001,
    "<a href='//e'>" * 99, "--=_alternative--", "\r\n.\r\n",
]  # fmt: skip
TYPED = [
    None, True, False, 0, -1, 10**18, 10**19, 10**4400, 1.5, float("nan"), 1e300, date(2026, 1, 31), date(1, 1, 1),
    datetime(2026, 1, 31, 10, 30, tzinfo=UTC), [1, "<b>"], {"a": "<b>"},
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="\r\n\0\t =.<>&\"'\x0b\x0c\x1b\x1c\x85\x9f\u2028\u2029\ud800\udfffé€x", max_size=12),
    st.sampled_from(ODD),
)


@lru_cache(maxsize=256)
def compiled(source: str, *, is_spliced: bool) -> EmailTemplate:
    bodies = (Body("a.html", "html", source), Body("a.txt", "txt", source))
    content = EmailContent("Hi " + source, bodies, "Shöp <news@shop.example>", headers={"X-V": source})
    return EmailTemplate(content, SURROUNDINGS, LINKS, is_spliced=is_spliced)


def outcome(source: str, values: dict[str, object], *, is_spliced: bool) -> RenderedEmail | str:
    template = compiled(source, is_spliced=is_spliced)
    try:
        return template.finished(
            "key", "ada@example.org", {"id": "c-1", **values}, MADE_AT, contact_id=17, data=values, gate=values
        )
    except RenderError as failure:
        return str(failure)


def read(message: RenderedEmail) -> tuple[list[tuple[str, str]], list[tuple[list[tuple[str, str]], bytes]]]:
    """The headers, and each part's headers and decoded bytes, as the standard library reads them."""
    parsed = message_from_bytes(message.content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    parts = [
        ([(name, str(value)) for name, value in part.items()], part.get_payload(decode=True))
        for part in parsed.walk()
        if not part.is_multipart()
    ]
    assert all(not part.defects for part in parsed.walk())
    return [(name, str(value)) for name, value in parsed.items()], parts  # type: ignore[return-value] # decoded


def holds(source: str, value: object) -> None:
    values = {} if value is None else {"v": value}
    put_together, rendered = (outcome(source, values, is_spliced=each) for each in (True, False))
    if isinstance(rendered, str) or isinstance(put_together, str):
        assert put_together == rendered
        return
    assert read(put_together) == read(rendered)
    assert put_together._replace(content=b"") == rendered._replace(content=b"")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_form_of_expression_reads_as_when_it_is_rendered(expression: str) -> None:
    for value in [*ODD, *TYPED]:
        holds(f"a{expression}\n\n \n{expression}\n\n{expression}", value)


@given(expression=st.sampled_from(EXPRESSIONS), value=TEXTS, around=st.sampled_from(SURROUNDED))
@settings(deadline=None, max_examples=200)
def test_what_is_put_together_reads_as_what_is_rendered(expression: str, value: str, around: str) -> None:
    holds(around.replace("{}", expression), value)


@given(value=TEXTS, around=st.sampled_from(SURROUNDED))
@settings(deadline=None, max_examples=200)
def test_every_message_is_made_of_short_lines_of_ascii(value: str, around: str) -> None:
    for is_spliced in (True, False):
        made = outcome(around.replace("{}", "{{ contact.v | default('') }}"), {"v": value}, is_spliced=is_spliced)
        assert isinstance(made, RenderedEmail)
        lines = made.content.split(b"\r\n")
        assert lines[-1] == b""
        body = lines[lines.index(b"") :]
        assert all(len(line) <= 76 and not line.endswith((b" ", b"\t")) for line in body)
        assert all(32 <= byte < 127 for line in lines for byte in line)


@given(value=TEXTS)
@settings(deadline=None, max_examples=200)
def test_html_shows_a_value_escaped_and_text_shows_it_as_it_is(value: str) -> None:
    made = outcome("<p>[{{ contact.v }}]</p>", {"v": value}, is_spliced=True)
    assert isinstance(made, RenderedEmail)
    parsed = message_from_bytes(made.content, policy=policy.default)
    html, text = parsed.get_body(("html",)), parsed.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert html.get_content().count("<") == html.get_content().count(">")
    if value.isprintable():
        assert f"[{value}]" in text.get_content()


@pytest.mark.parametrize("expression", [each for each in EXPRESSIONS if "items" not in each and "__" not in each])
def test_a_template_that_only_puts_values_in_is_not_rendered(expression: str) -> None:
    template = CompiledTemplate("t", f"Hello {expression}!", is_html=True)
    assert skeleton_of(template, constant_names(SURROUNDINGS)) is not None


@pytest.mark.parametrize(
    "source",
    ["{% if contact.v %}a{% endif %}", "{% for a in contact.v %}{{ a }}{% endfor %}", "{% set a = 1 %}{{ a }}",
     "{{ contact.v ~ 'a' }}", "{{ contact.v | truncate(3) }}", "{{ contact.v.x }}", "{{ contact[contact.v] }}",
     "{{ link(contact.v) }}", "{{ contact.v | default(contact.w) }}", "{{ contact }}", "{{ nobody }}",
     "{{ unsubscribe_url | default('') }}", "{{ contact.items }}",
     "{{ contact.v | upper | upper | upper | upper | upper }}",
     "{{ contact.v }}" * 65, "{{ step }}" * 101, "{{ link('no address') }}",
     "{{ contact.v if contact.v else 'a' }}", "{{ -contact.v }}"],
)  # fmt: skip
def test_anything_else_is_rendered(source: str) -> None:
    assert skeleton_of(CompiledTemplate("t", source, is_html=False), constant_names(SURROUNDINGS)) is None


def test_a_constant_is_filled_in_once_and_escaped_in_html_only() -> None:
    for is_html, text in ((True, "Sale &amp; &#34;more&#34;"), (False, 'Sale & "more"')):
        skeleton = skeleton_of(
            CompiledTemplate("t", "{{ campaign.title }}", is_html=is_html), constant_names(SURROUNDINGS)
        )
        assert skeleton is not None
        assert (skeleton.texts, skeleton.slots) == ((text,), ())


def test_dates_and_numbers_are_written_as_python_writes_them() -> None:
    source = (
        "{{ contact.d }} {{ contact.n }} {{ contact.b }} {{ contact.f | round(1) }} {{ contact.d | date('%d.%m.') }}"
    )
    made = outcome(source, {"d": date(2026, 1, 31), "n": 7, "b": True, "f": 2.25}, is_spliced=True)
    assert isinstance(made, RenderedEmail)
    assert made.subject == "Hi 2026-01-31 7 True 2.2 31.01."


def test_a_missing_value_is_named_and_the_message_is_not_made() -> None:
    assert outcome("{{ contact.v }}", {}, is_spliced=True) == "subject: `v` has no value; `default` gives one"


def test_mostly_ascii_is_readable_on_the_wire_and_other_scripts_stay_short() -> None:
    content = [
        EmailTemplate(EmailContent("Hi", (Body("a.txt", "txt", text),), "a@shop.example"), SURROUNDINGS)
        .finished("key", "ada@example.org", {"v": "Ада"}, MADE_AT)
        .content
        for text in ("Hello, this is {{ contact.v }}\n", "Здравствуйте, {{ contact.v }}\n" * 20)
    ]
    assert b"Hello, this is" in content[0]
    assert b"Content-Transfer-Encoding: base64" in content[1]


def test_a_file_and_html_and_text_stand_in_the_order_that_readers_expect() -> None:
    bodies = (Body("a.html", "html", "<p>{{ contact.v }}</p>"), Body("a.txt", "txt", "{{ contact.v }}"))
    content = EmailContent("Hi", bodies, "a@shop.example", attachments=(Attachment("é.pdf", b"\0\r\n"),) * 2)
    made = EmailTemplate(content, SURROUNDINGS).finished("key", "ada@example.org", {"v": "--=_mixed--"}, MADE_AT)
    parsed = message_from_bytes(made.content, policy=policy.default)
    assert [part.get_content_type() for part in parsed.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf", "application/pdf",
    ]  # fmt: skip
    assert [part.get_payload(decode=True) for part in parsed.iter_attachments()] == [b"\0\r\n"] * 2
    assert [part.get_filename() for part in parsed.iter_attachments()] == ["é.pdf"] * 2


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@example.org\r\nBcc: eve@example.org", "ada@exämple.org", "a b@c.de", "<ada@example.org>",
     "ada@example.org, eve@example.org"],
)  # fmt: skip
def test_no_message_is_made_for_what_is_no_address(address: str) -> None:
    template = EmailTemplate(EmailContent("Hi", (Body("a.txt", "txt", "a"),), "a@shop.example"), SURROUNDINGS)
    with pytest.raises(RenderError, match="no e-mail address"):
        template.finished("key", address, {}, MADE_AT)
