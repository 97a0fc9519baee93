"""Where counted links lead with the parameter of a shop: never anywhere else."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignctl.message.landing import Landing

SHOP = Landing("cctl", ["shop.example"])


@pytest.mark.parametrize(
    ("url", "led"),
    [
        ("https://shop.example", "https://shop.example?cctl=T"),
        ("https://shop.example/?", "https://shop.example/?cctl=T"),
        ("http://Shop.Example:8080/a?b=%20&b=2", "http://Shop.Example:8080/a?b=%20&b=2&cctl=T"),
        ("https://shop.example/a#/b?c=1", "https://shop.example/a?cctl=T#/b?c=1"),
        ("https://shop.example/?cctl=old&a&cctl&cctlx=1", "https://shop.example/?a&cctlx=1&cctl=T"),
    ],
)
def test_the_parameter_stands_last_in_the_query(url: str, led: str) -> None:
    assert SHOP.is_for(url)
    assert SHOP.with_token(url, "T") == led


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/", "https://shop.example.evil.test/", "https://evil.test/?shop.example",
        "https://shop.example@evil.test/", "https://shop.example\\@evil.test/", "https://evil.test#@shop.example",
        "https://www.shop.example/", "https://shop.example:x/", "mailto:me@shop.example", "//shop.example/",
    ],
)  # fmt: skip
def test_no_other_host_gets_it(url: str) -> None:
    assert not SHOP.is_for(url)


def test_without_a_parameter_no_host_gets_one() -> None:
    assert not Landing(None, ["shop.example"]).is_for("https://shop.example/")


parts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="#"), max_size=12)


@given(st.sampled_from(["https", "http", "HTTPS"]), st.sampled_from(["", ":443"]), parts, parts, parts)
def test_wherever_a_link_leads_only_its_query_grows(
    scheme: str, port: str, path: str, query: str, fragment: str
) -> None:
    url = f"{scheme}://shop.example{port}/{path.replace('?', '')}?{query}#{fragment}"
    led = SHOP.with_token(url, "T")
    before, after = urlsplit(url), urlsplit(led)
    assert (after.scheme, after.netloc, after.path, after.fragment) == (
        before.scheme, before.netloc, before.path, before.fragment,
    )  # fmt: skip
    assert led.partition("#")[0].endswith("cctl=T")
    kept = [each for each in before.query.split("&") if each and each.partition("=")[0] != "cctl"]
    assert after.query.split("&") == [*kept, "cctl=T"]


@given(st.text(max_size=30))
def test_whatever_stands_before_the_host_no_other_one_gets_the_token(text: str) -> None:
    for url in (f"https://{text}/shop.example", f"https://shop.example{text}", f"{text}https://shop.example"):
        if SHOP.is_for(url):
            assert urlsplit(url).hostname == "shop.example"
