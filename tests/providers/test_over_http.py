"""`POST /hooks/PROVIDER`: what the service answers to providers, and when they should try again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from providers.mail_of_providers import (
    NOW,
    ORIGIN,
    SENDGRID_PUBLIC,
    TOKEN,
    TOPIC,
    from_anybody,
    from_brevo,
    from_mailgun,
    from_postmark,
    from_sendgrid,
    from_sns,
    from_twilio,
)
from providers.test_taking import CAMPAIGN, mark_of, suppressed
from sqlalchemy import event as sql_event
from world import PROJECT, World

from campaignctl.project import ProjectFile, load_project
from campaignctl.providers.request import ProviderRequest
from campaignctl.store.database import sqlite_module
from campaignctl.validation import check_project
from campaignctl.web.application import application
from campaignctl.web.service import Service
from campaignctl.wiring import keys_of, signer_of

PROVIDERS = f"""
public_url: {ORIGIN}
providers:
  ses: {{topic: "{TOPIC}"}}
  sendgrid: {{public_key: "{SENDGRID_PUBLIC}"}}
  postmark: {{token: "${{TOKEN}}"}}
  mailgun: {{signing_key: "${{TOKEN}}"}}
  twilio: {{auth_token: "${{TOKEN}}"}}
  generic: {{secret: "${{TOKEN}}"}}
"""
AT = "2026-12-01T09:20:00Z"


@pytest.fixture
def shop(world: World) -> World:
    world.write("campaignctl.yaml", PROJECT + PROVIDERS)
    world.contacts()
    world.at("2026-12-01 10:00")
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 10:30")
    return world


class Client:
    """Asks the service of a world, without a socket in between."""

    def __init__(self, world: World, environment: Mapping[str, str] | None = None) -> None:
        project = load_project(world.folder, {"TOKEN": TOKEN} if environment is None else environment)
        assert isinstance(project, ProjectFile), project
        signer, keys = signer_of(world.store, world.clock), keys_of(world.store)
        self._app = application(Service(project, world.store, world.clock, signer, keys))

    def post(self, provider: str, request: ProviderRequest) -> tuple[int, dict[str, Any]]:
        """The status and the document of the answer."""
        (answer,) = self.answers(provider, request)
        return answer.status_code, answer.json()

    def answers(
        self, provider: str, request: ProviderRequest, times: int = 1, address: str = "192.0.2.1"
    ) -> list[httpx.Response]:
        """The answers to the same request, so many times one after the other, from this address."""
        query = request.url.partition("?")[2]
        path = f"/hooks/{provider}" + (f"?{query}" if query else "")

        async def asked() -> list[httpx.Response]:
            return [await self._ask(path, request, address) for _ in range(times)]

        return asyncio.run(asked())

    async def _ask(self, path: str, request: ProviderRequest, address: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            return await client.post(path, content=request.content, headers=dict(request.headers))


def test_a_complaint_reaches_the_campaign_and_its_contact_is_suppressed(shop: World) -> None:
    event = {"event": "spamreport", "timestamp": int(NOW.timestamp())}
    mark = json.loads(_header(shop, "X-SMTPAPI"))["unique_args"]
    client = Client(shop)
    answer = client.post("sendgrid", from_sendgrid({**event, **mark}, {**event, "campaignctl": "other mail"}))
    assert answer == (200, {"version": 1, "read": 2, "added": 1, "unmatched": 1, "newly_suppressed": 1})
    assert client.post("sendgrid", from_sendgrid({**event, **mark}))[1]["added"] == 0
    assert suppressed(shop) == [("email", "ada@example.org", "complaint")]


def _header(world: World, name: str) -> str:
    content = world.email.sent[0].content.decode()
    return next(line.partition(": ")[2] for line in content.split("\r\n") if line.startswith(name))


def test_news_of_a_text_message_are_verified_with_the_address_that_the_provider_asked_for(shop: World) -> None:
    client = Client(shop)
    assert client.post("twilio", from_twilio("mark", MessageStatus="delivered"))[0] == 200
    assert client.post("twilio", from_twilio(From="+33612345678", Body="STOP"))[1]["newly_suppressed"] == 1


def test_lines_of_any_system_are_brought_in_as_a_file_is(shop: World) -> None:
    line = {"campaign": "sale", "step": "sale", "contact": "c-1", "event": "bounce", "hard": True, "at": AT}
    lines = "\n".join(json.dumps(each) for each in (line, line, {**line, "contact": "nobody"}))
    client = Client(shop)
    answer = client.post("generic", from_anybody(lines))
    assert answer == (200, {"version": 1, "read": 3, "added": 1, "unmatched": 1, "newly_suppressed": 1})
    assert suppressed(shop) == [("email", "ada@example.org", "hard_bounce")]


def test_a_conversion_of_any_system_counts_once(shop: World) -> None:
    line = json.dumps({"event": "conversion", "id": 17, "contact": "c-1", "at": AT})
    answers = [Client(shop).post("generic", from_anybody(line)) for _ in range(2)]
    assert [(status, said["added"], said["unmatched"]) for status, said in answers] == [(200, 1, 0), (200, 0, 0)]


@pytest.mark.parametrize(
    ("provider", "request_", "status", "code"),
    [
        ("postmark", from_postmark("Open", "", ReceivedAt=AT)._replace(headers={}), 401, "S240"),
        ("sendgrid", from_sendgrid({})._replace(content=b"[]"), 401, "S240"),
        ("generic", from_anybody("")._replace(content=b"{}"), 401, "S240"),
        ("ses", from_sns("{}", SigningCertURL="https://evil.example/x.pem"), 401, "S240"),
        ("postmark", from_postmark("Open", "")._replace(content=b"no JSON"), 400, "S241"),
        ("postmark", from_postmark("Open", "", ReceivedAt="yesterday"), 400, "S241"),
        ("generic", from_anybody("{}"), 400, "S241"),
        # No such name is in DNS: nothing leaves this machine.
        ("ses", from_sns("{}", SigningCertURL="https://sns.nowhere-invalid.amazonaws.com/x.pem"), 503, "S242"),
        ("brevo", from_brevo({}), 404, "S243"),
        ("nobody", from_brevo({}), 404, "S243"),
        ("names", from_brevo({}), 404, "S243"),
    ],
)
def test_what_is_not_taken_is_answered_with_a_code(
    shop: World, provider: str, request_: ProviderRequest, status: int, code: str
) -> None:
    client = Client(shop)
    answer, told = client.post(provider, request_)
    assert (answer, told["error"]["code"]) == (status, code)  # type: ignore[index] # an error has a code


def test_a_secret_is_in_no_answer(shop: World) -> None:
    nothing = ProviderRequest({}, b"{}", "")
    answers = [Client(shop).post(name, nothing) for name in ("postmark", "mailgun", "twilio", "generic")]
    assert all(status == 401 and TOKEN not in str(told) for status, told in answers)


def test_a_provider_whose_token_is_not_set_lets_nobody_in(shop: World) -> None:
    """The name of a variable must not become the token, and is for nobody outside."""
    request = from_postmark("Open", "", ReceivedAt=AT)._replace(headers={"authorization": "Bearer ${TOKEN}"})
    status, told = Client(shop, {}).post("postmark", request)
    assert (status, told["error"]["code"], "TOKEN" in str(told)) == (503, "D101", False)
    assert Client(shop, {}).post("generic", from_anybody(""))[0] == 503


def test_where_the_store_cannot_be_written_the_provider_shall_try_again_and_then_it_counts(shop: World) -> None:
    engine = shop.store.database.engine
    sql_event.listen(engine, "connect", lambda made, _: made.execute("PRAGMA busy_timeout = 0").close())
    engine.dispose()
    client = Client(shop)
    request = from_postmark("SpamComplaint", mark_of(shop), BouncedAt=AT)
    other = sqlite_module().connect(shop.folder / "campaignctl.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    status, told = client.post("postmark", request)
    assert (status, told["error"]["code"]) == (503, "S105")
    other.close()
    assert client.post("postmark", request)[1]["newly_suppressed"] == 1


def test_a_mailgun_request_that_could_not_be_written_may_come_again(shop: World) -> None:
    """Its token counts once, and for this very request as often as it takes."""
    client = Client(shop)
    request = from_mailgun({"event": "opened", "timestamp": NOW.timestamp()})
    assert [client.post("mailgun", request)[0], client.post("mailgun", request)[0]] == [200, 200]
    assert client.post("mailgun", request._replace(content=request.content + b" "))[0] == 401


def test_a_project_whose_secrets_come_from_outside_has_no_problems(shop: World) -> None:
    channel = (
        "channels: {email: {smtp: 'smtp://mail.example', dkim: {domain: shop.example, selector: c1, key: k.pem}}}\n"
    )
    written = PROJECT + PROVIDERS.replace(f'  ses: {{topic: "{TOPIC}"}}\n', "") + channel
    shop.write("campaignctl.yaml", written)
    assert check_project(shop.project).problems == []
    for name in ("postmark", "mailgun", "twilio", "generic"):
        before, _, after = written.partition(f"  {name}:")
        shop.write("campaignctl.yaml", f"{before}  {name}:{after.replace('${TOKEN}', TOKEN, 1)}")
        assert [problem.code for problem in check_project(shop.project).problems] == ["C421"]


NOTHING = from_postmark("Open", "", ReceivedAt=AT)
UNPROVEN = NOTHING._replace(headers={})


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


def test_an_address_that_proves_nothing_a_hundred_times_is_slowed_down_and_others_are_not(shop: World) -> None:
    client = Client(shop)
    answers = client.answers("postmark", UNPROVEN, 101)
    assert statuses(answers) == [401] * 100 + [429]
    assert (answers[-1].json()["error"]["code"], int(answers[-1].headers["retry-after"]) > 0) == ("H103", True)
    # Nor does it get in by another name.
    assert statuses(client.answers("mailgun", UNPROVEN)) == [429]
    assert statuses(client.answers("postmark", NOTHING, address="192.0.2.2")) == [200]


def test_a_provider_that_shares_its_address_with_somebody_else_gets_through_again(shop: World) -> None:
    """Customers of a provider have the same addresses: whoever is refused comes again, and is heard."""
    client = Client(shop)
    client.answers("postmark", UNPROVEN, 100)
    assert statuses(client.answers("postmark", NOTHING)) == [429]
    shop.clock.set_to(shop.clock.now() + timedelta(seconds=1))
    assert statuses(client.answers("postmark", NOTHING, 20)) == [200] * 20


def test_a_provider_that_tells_too_much_at_once_loses_nothing(shop: World) -> None:
    client = Client(shop)
    assert set(statuses(client.answers("postmark", NOTHING, 2000))) == {200}
    complaint = from_postmark("SpamComplaint", mark_of(shop), BouncedAt=AT)
    (refused,) = client.answers("postmark", complaint)
    assert (refused.status_code, refused.headers["retry-after"], suppressed(shop)) == (429, "1", [])
    # Another provider is not held up by it.
    assert client.post("generic", from_anybody(""))[0] == 200
    shop.clock.set_to(shop.clock.now() + timedelta(seconds=1))
    assert client.post("postmark", complaint)[1]["newly_suppressed"] == 1


def test_what_nothing_proves_uses_up_nothing_of_a_provider(shop: World) -> None:
    client = Client(shop)
    for number in range(21):
        client.answers("postmark", UNPROVEN, 100, address=f"192.0.2.{number + 10}")
    assert statuses(client.answers("postmark", NOTHING)) == [200]
