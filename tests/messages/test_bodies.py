"""From the file that an author writes to the two parts that a reader sees."""

from __future__ import annotations

import pytest

from campaignctl.message.body import Bodies, bodies_of
from campaignctl.message.content import Body, BodyFormat
from campaignctl.message.plain import text_from


def bodies(source: str, kind: BodyFormat = "html", preheader: str = "") -> Bodies:
    return bodies_of((Body(f"a.{kind}", kind, source),), preheader)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("<p>a <b> b</b>\n c</p>", "a b c"),
        ("<p>10&nbsp;€</p><p>&nbsp;</p><p>x</p>", "10 €\n\nx"),
        ("<ul><li>a<ul><li>b</li><li>c</li></ul></li><li>d</li></ul><p>e</p>", "- a\n\n  - b\n  - c\n\n- d\n\ne"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>", "a b\n1 2"),
        ("<pre>if x:\n    y\n\n\n\nz</pre>", "if x:\n    y\n\n\n\nz"),
        ('<a href="https://a.example">https://a.example</a>', "https://a.example"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example"),
        ('<a href="https://a.example"><img src="x" alt="Shop"></a>', "Shop (https://a.example)"),
        ('<a href="https://a.example"><img src="x"></a>', "https://a.example"),
        ('<a href="{{ link(\'https://a.example?a=1\') }}">go</a>', "go ({{ link('https://a.example?a=1') }})"),
        ("<head><title>t</title><body>shown</body>", "shown"),
        ('<div style="display: none">not <p>this</p></div><p>this</p>', "this"),
        ("<style>p { }</style><script>1</script><!-- no -->yes", "yes"),
        ("{% if contact.a %}<p>{{ contact.a }}</p>{% endif %}", "{% if contact.a %}\n\n{{ contact.a }}\n\n{% endif %}"),
    ],
)  # fmt: skip
def test_html_becomes_the_text_that_a_person_would_type(html: str, text: str) -> None:
    assert text_from(html) == text + "\n"


def test_a_template_part_may_stand_in_the_address_of_a_link_and_in_an_attribute() -> None:
    html = bodies('[go](https://a.example/{{ contact.id }}?a=1&b=2) <i title="{{ contact.a }}">x</i>', "md").html
    assert '<a href="https://a.example/{{ contact.id }}?a=1&amp;b=2">' in html
    assert '<i title="{{ contact.a }}">' in html


def test_a_loop_over_the_rows_of_a_table_stays_where_it_is() -> None:
    html = bodies("<table>{% for a in data.rows %}<tr><td>{{ a }}</td></tr>{% endfor %}</table>").html
    assert html.index("<table>") < html.index("{% for") < html.index("<tr>") < html.index("{% endfor")
    assert html.index("{% endfor") < html.index("</table>")
    assert "<!--{" not in html


def test_what_only_a_style_sheet_can_say_stays_in_one() -> None:
    style = "<style>p { color: red } a:hover { color: blue } @media (max-width: 9px) { p { color: green } }</style>"
    html = bodies(f"<html><head>{style}</head><body><p>a</p></body></html>").html
    assert 'style="color: red' in html
    assert "@media" in html
    assert "a:hover" in html


@pytest.mark.parametrize(
    ("kind", "source"),
    [("html", "<html><p>a</p></html>"), ("html", "<p>a</p>"),
     ("html", '<html><body class="a > b"><p>a</p></body></html>'),
     ("md", "a"), ("mjml", "<mjml><mj-head><mj-preview>b</mj-preview></mj-head><mj-body><mj-section><mj-column>"
                           "<mj-text>a</mj-text></mj-column></mj-section></mj-body></mjml>")],
)  # fmt: skip
def test_the_preheader_is_text_at_the_very_start_of_the_body_and_not_in_the_text_part(
    kind: BodyFormat, source: str
) -> None:
    found = bodies(source, kind, "Up to <50%> & {{ contact.a | default('<b>') }}")
    start = found.html.index("<body")
    hidden = "overflow:hidden\">Up to &lt;50%&gt; &amp; {{ contact.a | default('<b>') }}</div>"
    assert start < found.html.index(hidden) < found.html.index("a</")
    assert "Up to" not in found.text


def test_text_that_looks_like_a_placeholder_is_left_alone() -> None:
    assert bodies("zqx9xqz {{ contact.a }}", "md").text == "zqx9xqz {{ contact.a }}\n"
