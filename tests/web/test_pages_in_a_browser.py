"""The pages for people, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page
from web.browser import browser
from web.serving import served
from web.test_unsubscribing import PAGE, SALE, is_suppressed, link_of, run
from world import World

# Each would run, or call out, where a page put it into its HTML as it is.
PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<body onload=alert(1)>",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</p><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href=javascript:alert(1) autofocus onfocus=alert(1)>x</a>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video src=x onerror=alert(1)>",
    "<audio src=x onerror=alert(1)>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<math><mi xlink:href=javascript:alert(1)>x</mi></math>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:alert(1)><text y=9>x</text></a></svg>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=javascript:alert(1)//>",
    "<link rel=stylesheet href=javascript:alert(1)>",
    "<style>@import 'javascript:alert(1)';</style>",
    "<div style=width:expression(alert(1))>",
    "<div onmouseover=alert(1) style=position:fixed;inset:0>x</div>",
    "<script src=data:,alert(1)></script>",
    "<script>import('data:text/javascript,alert(1)')</script>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<template><script>alert(1)</script></template>",
    "<select autofocus onfocus=alert(1)>",
    "<textarea autofocus onfocus=alert(1)>",
    "<keygen autofocus onfocus=alert(1)>",
    "<isindex type=image src=1 onerror=alert(1)>",
    "<img/src=`x`onerror=alert(1)>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<<script>alert(1)//<</script>",
    "<script\x0c>alert(1)</script>",
    "<img src=x:x onerror\n=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "<script>alert(1)</script>",
    "{{ constructor.constructor('alert(1)')() }}",
    "${alert(1)}",
    "javascript:alert(1)",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "<xss id=x tabindex=1 onfocus=alert(1)></xss>",
]


def sale_of(world: World, contacts: str, name: str = "contacts.csv") -> World:
    """A campaign whose first message has left to these contacts."""
    project = (world.folder / "campaignctl.yaml").read_text().replace("email: email", "email: email, language: lang")
    world.write("campaignctl.yaml", project + "public_url: https://mail.shop.example\n")
    world.write("page.html", PAGE)
    world.import_file(world.write(name, contacts))
    world.at("2026-11-30 10:00")
    world.publish(SALE)
    run(world, "2026-12-01 10:05")
    return world


def opened(page: Page, client: httpx.Client, path: str) -> Page:
    page.goto(str(client.base_url).rstrip("/") + path)
    return page


def test_a_french_reader_leaves_with_the_keyboard_alone_on_a_small_dark_screen(world: World, tmp_path: Path) -> None:
    sale_of(world, "id,email,name,lang\nc-1,ada@example.org,Ada,fr\n")
    small = {"viewport": {"width": 320, "height": 560}, "color_scheme": "dark", "java_script_enabled": False}
    with served(world) as client, browser(**small) as context:
        page = opened(context.new_page(), client, link_of(world, "ada@example.org", "u"))
        assert page.title() == "Se désabonner"
        page.screenshot(path=tmp_path / "question.png")

        # Nothing is wider than the screen
        box = page.get_by_role("main").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320

        # The first key leads to the button, the second presses it
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_text("Nous n’écrivons plus à").wait_for()
        assert is_suppressed(world, "ada@example.org")
        page.get_by_role("button", name="Se réabonner").press("Enter")
        page.get_by_text("Nous écrivons de nouveau").wait_for()
        assert not is_suppressed(world, "ada@example.org")


def test_the_page_is_dark_where_the_reader_wants_it_so(world: World) -> None:
    sale_of(world, "id,email,name,lang\nc-1,ada@example.org,Ada,fr\n")
    seen = {}
    for scheme in ("light", "dark"):
        with served(world) as client, browser(color_scheme=scheme) as context:
            page = opened(context.new_page(), client, link_of(world, "ada@example.org", "u"))
            seen[scheme] = page.evaluate("getComputedStyle(document.documentElement).colorScheme"), page.screenshot()
    assert seen["dark"][1] != seen["light"][1]


@pytest.mark.parametrize("kind", ["u", "v"])
def test_nothing_that_contacts_are_called_runs_in_a_page(world: World, kind: str) -> None:
    assert len(PAYLOADS) >= 50
    rows = "".join(
        json.dumps({"id": f"c-{number}", "email": f"p{number}@example.org", "name": payload, "lang": payload}) + "\n"
        for number, payload in enumerate(PAYLOADS)
    )
    sale_of(world, rows, "contacts.ndjson")
    assert len(world.email.sent) == len(PAYLOADS)
    ran: list[str] = []
    with served(world) as client, browser() as context:
        page = context.new_page()
        page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
        # A payload that is put into the page and only stopped by its policy counts as well
        page.on("console", lambda said: ran.append(said.text) if "Content Security Policy" in said.text else None)
        for number in range(len(PAYLOADS)):
            opened(page, client, link_of(world, f"p{number}@example.org", kind))
            page.mouse.move(20, 20)
    assert ran == []


def test_a_script_that_a_campaign_itself_writes_does_not_run_in_the_browsers_view(world: World) -> None:
    sale_of(world, "id,email,name,lang\nc-1,ada@example.org,Ada,fr\n")
    with served(world) as client, browser() as context:
        page = context.new_page()
        shown = client.get(link_of(world, "ada@example.org", "v"))
        policy = shown.headers["content-security-policy"]
        page.route(
            "**/message",
            lambda route: route.fulfill(
                body="<p>x</p><script>document.title = 'ran'</script>", content_type="text/html",
                headers={"content-security-policy": policy},
            ),
        )  # fmt: skip
        opened(page, client, "/message")
        assert page.title() == ""
