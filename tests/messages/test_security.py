"""Templates cannot leave the sandbox, and values cannot become anything but text."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignctl.message.content import Attachment, Body, EmailContent, Recipient, Surroundings
from campaignctl.message.email import EmailTemplate
from campaignctl.message.headers import one_line
from campaignctl.message.sandbox import CompiledTemplate, RenderError, TemplateSyntaxProblem

SURROUNDINGS = Surroundings("sale", "Sale", "first", "customers", "shop", "1 rue de la Paix", "")
ESCAPES = [
    "{{ ''.__class__ }}", "{{ ''.__class__.__mro__ }}", "{{ ''['__class__'] }}", "{{ contact.__init__ }}",
    "{{ contact|attr('__class__') }}", "{{ link.__globals__ }}", "{{ link.__code__ }}", "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}", "{{ cycler.__init__.__globals__ }}", "{{ lipsum.__globals__ }}",
    "{{ joiner }}", "{{ namespace() }}", "{{ range(10) }}", "{{ dict() }}", "{{ config }}", "{{ request }}",
    "{{ get_flashed_messages.__globals__ }}", "{{ url_for.__globals__ }}", "{{ [].append(1) }}",
    "{{ {}.update({}) }}", "{{ contact.update({'a': 1}) }}", "{{ contact.clear() }}", "{{ contact.pop('name') }}",
    "{{ contact.setdefault('a', 1) }}", "{{ '%s' % contact }}", "{{ '{0.__class__}'.format(contact) }}",
    "{{ '{:999999999}'.format(1) }}", "{{ ''.format_map(contact) }}", "{{ 'a'.ljust(999999999) }}",
    "{{ 'a'.center(999999999) }}", "{{ 'a'.zfill(999999999) }}", "{{ 'a'.translate({}) }}", "{{ 'a'.encode() }}",
    "{{ 'a'.join(['b', 'c']) }}", "{{ 'a\tb'.expandtabs(999999999) }}", "{{ 'a'|center(999999999) }}",
    "{{ 'a'|format(1) }}", "{{ contact|pprint }}", "{{ contact|tojson }}", "{{ contact|xmlattr }}",
    "{{ ['a']|map('upper')|list }}", "{{ contact|groupby('a') }}", "{{ 'a'|indent(999999999) }}",
    "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}",
    "{% macro m() %}{{ m() }}{% endmacro %}", "{% block b %}{% endblock %}", "{{ link('javascript:alert(1)') }}",
    "{{ link('https://a').__class__ }}", "{{ campaign.__class__ }}", "{{ 'a'.__len__() }}", "{{ 1 .__class__ }}",
    "{{ contact.born.replace(year=1) }}", "{{ contact.name.removeprefix('A') }}",
]  # fmt: skip
BOMBS = [
    "{{ 'a' * 10**9 }}", "{{ [1] * 10**9 }}", "{{ 2 ** (10**9) }}", "{{ 10**18 * 10**18 * 10**18 }}",
    "{% for a in 'aaaaaaaaaa' %}" * 8 + "x" + "{% endfor %}" * 8,
    "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a|replace('a', 'aaaaaaaaaaaaaaaa') %}" * 20,
    "{% set a = ['aaaaaaaaaaaaaaaa'] %}" + "{% set a = a + a %}" * 60,
    "{% for a in 'a' recursive %}{{ loop('a') }}{% endfor %}",
]  # fmt: skip


def names() -> dict[str, object]:
    from campaignctl.message.email import names_for

    contact = {"name": "Ada", "born": datetime(1990, 1, 1, tzinfo=UTC)}
    recipient = Recipient("k", "ada@example.org", contact, datetime(2026, 12, 1, tzinfo=UTC))
    return names_for(recipient, SURROUNDINGS, "mailto:a@b.example")


@pytest.mark.parametrize("source", ESCAPES)
def test_a_template_cannot_leave_the_sandbox(source: str) -> None:
    with pytest.raises((RenderError, TemplateSyntaxProblem)):
        CompiledTemplate("t", source, is_html=True).render(names())


@pytest.mark.parametrize("source", BOMBS)
def test_a_template_cannot_work_for_ever_or_fill_the_memory(source: str) -> None:
    with pytest.raises((RenderError, TemplateSyntaxProblem)):
        CompiledTemplate("t", source, is_html=False).render(names())


def email(
    subject: str = "Hi {{ contact.name }}", body: str = "Hello **{{ contact.name }}**", **more: object
) -> EmailTemplate:
    content = EmailContent(subject, (Body("hello.md", "md", body),), "Shöp <news@shop.example>", **more)  # type: ignore[arg-type] # named by tests
    return EmailTemplate(content, SURROUNDINGS)


def recipient(name: str) -> Recipient:
    return Recipient("key", "ada@example.org", {"name": name}, datetime(2026, 12, 1, tzinfo=UTC))


@settings(deadline=None)
@given(st.text(min_size=1))
def test_any_text_in_an_attribute_leaves_the_headers_as_they_are(name: str) -> None:
    template = email(headers={"X-Name": "{{ contact.name }}"})
    plain = message_from_bytes(template.render(recipient("Ada")).content, policy=policy.default)
    rendered = template.render(recipient(name))
    parsed = message_from_bytes(rendered.content, policy=policy.default)
    assert parsed.keys() == plain.keys()
    assert parsed["To"] == "ada@example.org"
    assert str(parsed["X-Name"]).split() == one_line(name).split()
    head = rendered.content.partition(b"\r\n\r\n")[0]
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in rendered.content.split(b"\r\n"))


@settings(deadline=None)
@given(st.text(min_size=1))
def test_the_same_contact_gets_the_same_bytes_at_each_attempt(name: str) -> None:
    assert email().render(recipient(name)).content == email().render(recipient(name)).content


@pytest.mark.parametrize("name", ["{{ 7*7 }}", "{% if %}", "<script>alert(1)</script>", "**bold** [x](//e)", "<b>"])
def test_a_value_never_becomes_template_html_or_markdown(name: str) -> None:
    parsed = message_from_bytes(email().render(recipient(name)).content, policy=policy.default)
    html = parsed.get_body(("html",))
    text = parsed.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "<script" not in html.get_content()
    assert "49" not in html.get_content()
    assert name in text.get_content()


def test_a_message_has_a_text_part_first_then_html_and_files_around_both() -> None:
    template = email(attachments=(Attachment("terms.pdf", b"%PDF-1.7\n\0"),))
    parsed = message_from_bytes(template.render(recipient("Ada")).content, policy=policy.default)
    assert [part.get_content_type() for part in parsed.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf",
    ]  # fmt: skip
    (attachment,) = parsed.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("terms.pdf", b"%PDF-1.7\n\0")


def test_a_way_to_unsubscribe_is_always_there_and_one_click_only_over_https() -> None:
    parsed = message_from_bytes(email().render(recipient("Ada")).content, policy=policy.default)
    assert parsed["List-Unsubscribe"] == "<mailto:news@shop.example?subject=unsubscribe>"
    assert parsed["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("html", "<style>p { color: red }</style><p>Hello {{ contact.name }}</p>"),
        ("mjml", "<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ contact.name }}</mj-text>"
                 "</mj-column></mj-section></mj-body></mjml>"),
        ("txt", "Hello {{ contact.name }}"),
        ("md", "{% if contact.name == 'Ada' %}\n\n- Hello {{ contact.name }}\n\n{% endif %}"),
    ],
)  # fmt: skip
def test_every_kind_of_body_becomes_a_text_that_says_the_same(kind: str, source: str) -> None:
    content = EmailContent("Hi", (Body(f"b.{kind}", kind, source),), "news@shop.example")  # type: ignore[arg-type] # the four kinds
    rendered = EmailTemplate(content, SURROUNDINGS).render(recipient("Ada"))
    parsed = message_from_bytes(rendered.content, policy=policy.default)
    text = parsed.get_body(("plain",))
    assert text is not None
    assert "Hello Ada" in text.get_content()
    html = parsed.get_body(("html",))
    assert (html is None) == (kind == "txt")
    if kind == "html":
        assert html is not None
        assert 'style="color: red' in html.get_content()
