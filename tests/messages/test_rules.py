"""What validation says of messages before there is a contact."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from world import PROJECT, World

from campaignctl.engine.messages import Messages
from campaignctl.message.links import Purpose, Signer
from campaignctl.message.sandbox import RenderError
from campaignctl.ports import Candidate

CAMPAIGN = "campaign: sale\nlist: customers\nsegment: french\nat: 2026-12-01 09:00\nemail: {subject: Hi, body: a.md}\n"
ENOUGH = "{{ unsubscribe_url }} {{ postal_address }}\n"


@pytest.mark.parametrize(
    ("body", "codes"),
    [("See\n\n{{ view_url }}", ["C409"]), ("{{ view_url | default('') }}", []), ("view_url", []),
     ("{% if view_url is defined %}{{ view_url }}{% endif %}", [])],
)  # fmt: skip
def test_a_view_in_a_browser_needs_an_address_of_the_service(world: World, body: str, codes: list[str]) -> None:
    world.write("a.md", ENOUGH + body)
    problems = world.check(CAMPAIGN).problems
    assert [problem.code for problem in problems] == codes
    assert all((problem.file, problem.span and problem.span.line) == ("a.md", 4) for problem in problems)
    world.write("campaignctl.yaml", PROJECT + "public_url: https://mail.shop.example\n")
    assert world.check(CAMPAIGN).problems == []


def test_the_links_in_a_message_open_to_its_step_and_its_contact(world: World) -> None:
    world.write("campaignctl.yaml", PROJECT + "public_url: https://mail.shop.example\n")
    world.write("a.md", ENOUGH + "{{ view_url }}")
    world.contacts()
    world.publish(CAMPAIGN)
    campaign, signer = world.campaign(), Signer(1, b"sixteen bytes or more")
    with world.store.reading() as ledger:
        version = ledger.version(campaign, 1)
    contact = Candidate(17, "c-1", "ada@example.org", {"name": "Ada"}, world.clock.now(), 0)

    made = Messages(version, signer).render(campaign, "sale", contact)
    parsed = message_from_bytes(made.content, policy=policy.default)
    url = parsed["List-Unsubscribe"].removeprefix("<").partition(">")[0]
    assert signer.opened(Purpose.UNSUBSCRIBE, url.removeprefix("https://mail.shop.example/u/")) == (
        campaign.step("sale").id, 17,
    )  # fmt: skip
    text = parsed.get_body(("plain",))
    assert text is not None
    assert url in text.get_content()
    token = text.get_content().partition("https://mail.shop.example/v/")[2].strip()
    assert signer.opened(Purpose.VIEW, token) == (campaign.step("sale").id, 17)

    with pytest.raises(RenderError, match="view_url"):
        Messages(version).render(campaign, "sale", contact)
