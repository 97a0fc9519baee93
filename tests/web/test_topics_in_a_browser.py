"""The page on which contacts choose topics, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page
from web.browser import browser
from web.serving import served
from web.test_pages_in_a_browser import PAYLOADS, opened
from web.test_topics import SALE, left, link_to, with_topics
from web.test_unsubscribing import PAGE, is_suppressed, run
from world import World

FRENCH = "id,email,name,country,lang\nc-1,ada@example.org,Ada,FR,fr\n"
SMALL = {"viewport": {"width": 320, "height": 560}, "color_scheme": "dark", "java_script_enabled": False}
LONG = "Überraschungsangebotsbenachrichtigungsabonnementverwaltung"


@pytest.fixture
def shop(world: World) -> World:
    """A campaign whose first message, an offer, has left to a reader of French."""
    with_topics(world, FRENCH)
    run(world, "2026-12-01 10:05")
    return world


def focused(page: Page) -> str:
    """What the next key would act on."""
    return str(page.locator(":focus").evaluate("each => each.value"))


def test_a_reader_leaves_one_topic_and_comes_back_with_the_keyboard_alone(shop: World, tmp_path: Path) -> None:
    with served(shop) as client, browser(**SMALL) as context:
        page = opened(context.new_page(), client, link_to(shop, "ada@example.org", "first"))
        page.screenshot(path=tmp_path / "question.png", full_page=True)

        # The message's topic comes first: one key leads to it, and one leaves it
        page.keyboard.press("Tab")
        assert focused(page) == "leave-topic"
        page.keyboard.press("Enter")
        page.get_by_text("Nous n’envoyons plus « Offres » à a…@example.org.").wait_for()
        assert left(shop, "ada@example.org") == ["offers"]

        # Then everything, each topic, and what takes the choice
        seen = []
        for _ in range(4):
            page.keyboard.press("Tab")
            seen.append(focused(page))
        assert seen == ["leave", "offers", "news", "choose"]

        # Back into the topic, and out of the other
        for key in ("Shift+Tab", "Space", "Shift+Tab", "Space"):
            page.keyboard.press(key)
        assert page.get_by_label("Offres").is_checked()
        assert not page.get_by_label("Nouvelles").is_checked()
        page.get_by_role("button", name="Enregistrer").press("Enter")
        page.get_by_text("Votre choix est enregistré.").wait_for()
        assert left(shop, "ada@example.org") == ["news"]


def test_a_reader_leaves_everything_and_finds_the_topics_again(shop: World) -> None:
    with served(shop) as client, browser(**SMALL) as context:
        page = opened(context.new_page(), client, link_to(shop, "ada@example.org", "first"))
        page.get_by_role("button", name="Se désabonner de tout").press("Enter")
        page.get_by_text("Nous n’écrivons plus à").wait_for()
        assert is_suppressed(shop, "ada@example.org")
        assert page.get_by_role("checkbox").count() == 0
        page.get_by_role("button", name="Se réabonner").press("Enter")
        page.get_by_text("Nous écrivons de nouveau").wait_for()
        assert page.get_by_role("checkbox", checked=True).count() == 2


def test_nothing_is_wider_than_a_small_screen_whatever_topics_are_called(world: World) -> None:
    with_topics(world, FRENCH)
    project = (world.folder / "campaignctl.yaml").read_text().replace("Offres", LONG).replace("Une fois", LONG)
    world.write("campaignctl.yaml", project)
    run(world, "2026-12-01 10:05")
    with served(world) as client, browser(viewport={"width": 320, "height": 560}) as context:
        page = opened(context.new_page(), client, link_to(world, "ada@example.org", "first"))
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        for each in [*page.get_by_role("button").all(), *page.get_by_role("checkbox").all()]:
            box = each.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= 320
            assert box["height"] >= 24  # what a finger meets (WCAG 2.2, 2.5.8)


def test_no_title_of_a_topic_and_nothing_of_a_contact_runs_in_the_page(world: World) -> None:
    topics = {
        f"t-{number}": {"title": {"en": payload, "fr": payload}, "description": payload}
        for number, payload in enumerate(PAYLOADS)
    }
    project = (world.folder / "campaignctl.yaml").read_text().replace("email: email", "email: email, language: lang")
    # What only an environment would fill in is no topic's title here
    topics = {name: topic for name, topic in topics.items() if "${" not in json.dumps(topic)}
    assert len(topics) >= 50
    world.write("campaignctl.yaml", f"{project}public_url: https://mail.shop.example\ntopics: {json.dumps(topics)}\n")
    world.write("page.html", PAGE)
    payload = PAYLOADS[0]
    rows = json.dumps({"id": payload, "email": "ada@example.org", "name": payload, "lang": payload})
    world.import_file(world.write("contacts.ndjson", rows))
    world.at("2026-11-30 10:00")
    ran: list[str] = []
    world.publish(SALE.replace("topic: offers", "topic: t-0").replace("topic: news", "topic: t-1"))
    run(world, "2026-12-01 10:05")
    with served(world) as client, browser() as context:
        page = context.new_page()
        page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
        page.on("console", lambda said: ran.append(said.text) if "Content Security Policy" in said.text else None)
        opened(page, client, link_to(world, "ada@example.org", "first"))
        page.mouse.move(20, 20)
        shown = page.get_by_role("checkbox").count()
        page.get_by_role("button").first.press("Enter")
        page.get_by_role("status").wait_for()
        assert PAYLOADS[0] in page.get_by_role("status").inner_text()
    assert ran == []
    assert shown == len(topics)
