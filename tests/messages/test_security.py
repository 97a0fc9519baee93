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
    "{{ ()|attr('__class__') }}", "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ ().__class__.__base__.__subclasses__() }}",
    "{{ link.__init__.__globals__.__builtins__ }}", "{{ link['__globals__'] }}", "{{ (link|string).__class__ }}",
    "{% for a in [1] %}{{ loop.__class__ }}{% endfor %}", "{% for a in [1] %}{{ loop.cycle.__globals__ }}{% endfor %}",
    "{% for a in [1] %}{{ loop._iterator }}{% endfor %}", "{{ self._TemplateReference__context.environment }}",
    "{{ caller() }}", "{{ varargs }}", "{{ environment }}", "{{ contact.get.__self__ }}",
    "{{ contact.born.strftime('%Y') }}",
    "{{ contact.born.__reduce__() }}", "{{ contact.name.__format__('9999999999') }}", "{{ ''.mro }}",
    "{% set a = contact.update %}{{ a(b=1) }}", "{{ [1].__iadd__([2]) }}", "{{ (1).real.__class__ }}",
    "{{ contact|map(attribute='__class__')|list }}", "{{ contact|selectattr('a')|list }}",
    "{{ [contact]|sum(attribute='__class__') }}", "{{ [contact]|join(attribute='__class__') }}",
    "{{ contact|_counted(-100000) }}", "{{ contact|_bounded }}", "{{ contact|_paid }}", "{% set x %}a{% endset %}",
    "{% call f() %}{% endcall %}", "{% filter upper %}a{% endfilter %}", "{{ link }}", "{{ contact.get }}",
    "{{ ['a']|select }}", "{% autoescape false %}<b>{% endautoescape %}", "{% do 1 %}", "{% debug %}",
]  # fmt: skip
BOMBS = [
    "{{ 'a' * 10**9 }}", "{{ [1] * 10**9 }}", "{{ 2 ** (10**9) }}", "{{ 10**18 * 10**18 * 10**18 }}",
    "{% for a in 'aaaaaaaaaa' %}" * 8 + "x" + "{% endfor %}" * 8,
    "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a|replace('a', 'aaaaaaaaaaaaaaaa') %}" * 20,
    "{% set a = ['aaaaaaaaaaaaaaaa'] %}" + "{% set a = a + a %}" * 60,
    "{% for a in 'a' recursive %}{{ loop('a') }}{% endfor %}",
    "{% set a = 'aaaaaaaaaaaaaaaa'|list %}" + "{% set a = a + a %}" * 9
    + "{% set b = a|sort|unique|select|list %}" * 500,
    "{% set a = 'abcdefgh'|list %}" + "{% set a = a + a %}" * 10 + "{% for b in a %}{{ a|sort|join }}{% endfor %}",
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{% if a == [a] %}{% endif %}",
    "{% set a = {'b': 1} %}" + "{% set a = {'b': a, 'c': a} %}" * 40 + "{{ a|string }}",
    "{% set a = (1,) %}" + "{% set a = (a, a) %}" * 40 + "{{ a ~ '' }}",
    "{{ '%999999999s' % 'a' }}", "{{ '%s' % 'a' }}", "{{ 'a'|truncate(10**12) * 10**9 }}",
    "{% set a = contact.long %}" + "{% set a = a|replace('a', 'aa') %}" * 40 + "{{ a }}",
    "{% for a in contact.long %}{% for b in contact.long %}{% endfor %}{% endfor %}",
    "{{ contact.long|list|sort|unique|list|length }}" * 20, "{{ (contact.long|list)|join(contact.long) }}",
    "{{ contact.long|join(contact.long) }}", "{{ contact.long|urlencode }}" * 500, "{{ contact.long|title }}" * 100,
    "{{ contact.long|upper }}" * 60, "{{ contact.long|striptags }}" * 500, "{{ contact.tags|striptags }}" * 500,
    "{{ contact.long|forceescape }}" * 500, "{{ contact.long|wordcount }}" * 500, "{{ contact.long|length }}" * 500,
    "{% if 'ab' in contact.long %}{% endif %}" * 500, "{% if contact.long == contact.long %}{% endif %}" * 500,
    "{{ contact.long.split('b') }}" * 500, "{{ contact.long.upper() }}" * 500, "{{ contact.long }}" * 999,
    "{{ 1.5|round(10**9, 'ceil') }}", "{{ 1.5|round(100000000, 'floor') }}", "{{ 10**18|round(-999999999, 'ceil') }}",
    "{{ [[1]]|sum(start=[]) }}", "{{ 'a'|sum }}", "{{ ['a'] | sum }}", "{{ " + "9" * 5000 + " }}",
    "{% for a in [1] %}" * 30 + "{% endfor %}" * 30, "{% if 1 %}" * 200 + "{% endif %}" * 200,
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "{{ " + "-" * 50000 + "1 }}", "{{ " + "not " * 20000 + "1 }}",
    "{{ [1,2,3]" + "|select" * 5000 + "|list }}", "{{ 1" + " + 1" * 50000 + " }}",
    "{% for a in contact.long %}" + "{% if a %}{% endif %}" * 2000 + "{% endfor %}",
    "{% for a in 'aaaaaaaaaa' %}{% for b in 'aaaaaaaaaa' %}{{ contact.long|lower|upper }}{% endfor %}{% endfor %}",
    "{{ ['a', 'b'] * 10**9 }}", "{{ contact.long[::1] ~ contact.long }}", "{{ contact.long + contact.long }}",
    "{{ (contact.long|list)[0:99999]|reverse|list|reverse|list|sort }}" * 5,
    "{{ contact.long|min }}{{ contact.long|max }}" * 9,
]  # fmt: skip


def names() -> dict[str, object]:
    from campaignctl.message.email import names_for

    long = "ab " * 20_000
    contact = {"name": "Ada", "born": datetime(1990, 1, 1, tzinfo=UTC), "long": long, "tags": "<a>" * 20_000}
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


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{% for a, b in [['x', 1], ['y', 2]] %}{{ loop.index }}{{ a }}{{ b }}{{ ',' if not loop.last }}{% endfor %}",
         "1x1,2y2"),
        ("{{ ['b', 'a', 'b']|unique|sort|join('-') }}", "a-b"),
        ("{% set total = [1, 2]|sum %}{{ total + 3 }}", "6"),
        ("{{ contact.items }}", "7 items"),
        ("{{ contact.name[:2] ~ '…' }} {{ 'yes' if 'd' in contact.name }}", "Ad… yes"),
        ("{{ ('a b'.split())[1]|upper }} {{ {'a': 1}.a }} {{ 3.14159|round(2) }}", "B 1 3.14"),
        ("{{ contact.name|truncate(2, true, '', 0) }} {{ 'a-b'|replace('-', '+') }}", "Ad a+b"),
    ],
)  # fmt: skip
def test_what_messages_need_works_within_the_limits(source: str, shown: str) -> None:
    known = names() | {"contact": {"name": "Ada", "items": "7 items"}}
    assert CompiledTemplate("t", source, is_html=False).render(known) == shown


def test_a_long_loop_over_what_a_message_may_show_is_not_stopped() -> None:
    source = "{% for a in data.lines %}<li>{{ a.name }}: {{ a.price|round(2) }}</li>{% endfor %}"
    lines = [{"name": f"Thing {number}", "price": number / 7} for number in range(2000)]
    assert (
        CompiledTemplate("t", source, is_html=True).render(names() | {"data": {"lines": lines}}).count("<li>") == 2000
    )
