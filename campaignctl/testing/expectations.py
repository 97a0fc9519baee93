"""Whether what is expected is so, and in which words it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

from campaignctl.campaign.version import Version
from campaignctl.campaign.when import wall_text
from campaignctl.ports import LiveCampaign
from campaignctl.testing.scenario import AudienceExpectation, Expectation
from campaignctl.testing.stage import Delivered, Stage


@dataclass(frozen=True)
class Disappointment:
    """Something that is not as expected; *key* is the word of the expectation."""

    key: str
    what: str
    expected: str
    actual: str
    is_warning: bool = False


# How many contacts take part: of the scenario, or of the project's store.
AudienceCount = Callable[[str], int]


def disappointments(
    wanted: Expectation, campaign: LiveCampaign | None, version: Version, stage: Stage, count: AudienceCount
) -> Iterator[Disappointment]:
    """Everything that is not as *wanted*."""
    if wanted.audience is not None:
        yield from _of_audience(wanted.audience, count(wanted.audience.of))
    if campaign is None:
        if wanted.model_fields_set - {"audience", "by"}:
            yield Disappointment("state", "the campaign", "published", "not published")
    elif wanted.step is not None:
        yield from _of_step(wanted, wanted.step, campaign, version, stage)
    else:
        yield from _differs("state", "the campaign", wanted.state, campaign.state)
        yield from _differs("members", "members of the campaign", wanted.members, campaign.members or 0)


def _of_step(
    wanted: Expectation, name: str, campaign: LiveCampaign, version: Version, stage: Stage
) -> Iterator[Disappointment]:
    step = campaign.step(name)
    yield from _differs("state", f"`{name}`", wanted.state, step.state)
    yield from _differs("cohort", f"the cohort of `{name}`", wanted.cohort, step.cohort or 0)
    delivered = stage.delivered(campaign, name)
    sent = [each for each in delivered if each.state == "sent"]
    got = [each.contact for each in sent]
    if wanted.to is not None and sorted(wanted.to) != sorted(got):
        yield Disappointment("to", f"`{name}` went to", _names(wanted.to), _names(got) + _whys(wanted.to, delivered))
    if wanted.not_to is not None and (wrong := [each for each in got if each in wanted.not_to]):
        yield Disappointment("not_to", f"`{name}` went to", f"none of {_names(wanted.not_to)}", _names(wrong))
    yield from _differs("count", f"messages of `{name}`", wanted.count, len(got))
    if wanted.converted is not None:
        yield from _differs(
            "converted", f"conversions after `{name}`", wanted.converted, stage.converted(campaign, name)
        )
    if wanted.skipped is not None:
        skipped = Counter(each.reason or "" for each in delivered if each.state == "skipped")
        yield from _differs("skipped", f"`{name}` skipped", _counts(wanted.skipped), _counts(skipped))
    if wanted.at is not None:
        began = min((each.at for each in sent), default=step.started_at)
        at = wanted.at.at(version.zone)
        if began != at:
            yield Disappointment("at", f"`{name}` left at", _local(at, version), _local(began, version))
    if wanted.subject is not None or wanted.contains is not None:
        yield from _of_messages(wanted, name, campaign, stage, got)


def _of_messages(
    wanted: Expectation, name: str, campaign: LiveCampaign, stage: Stage, got: Sequence[str]
) -> Iterator[Disappointment]:
    if not got:
        key = "subject" if wanted.subject is not None else "contains"
        yield Disappointment(key, f"messages of `{name}`", "at least one", "none")
    for contact in got:
        if campaign.step(name).verb != "email":
            yield from _of_texts(wanted, f"the message of `{name}` to {contact}", stage.texts(campaign, name, contact))
            continue
        message = message_from_bytes(stage.message(campaign, name, contact), policy=policy.default)
        assert isinstance(message, EmailMessage)
        whose = f"the message of `{name}` to {contact}"
        if wanted.subject is not None and message["Subject"] != wanted.subject:
            yield Disappointment("subject", f"the subject of {whose}", wanted.subject, str(message["Subject"]))
        bodies = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
        if wanted.contains is not None and not any(wanted.contains in body for body in bodies):
            shown = " ".join(bodies[0].split())[:60] if bodies else ""
            yield Disappointment("contains", whose, wanted.contains, f"{shown}…" if shown else "nothing")


def _of_texts(wanted: Expectation, whose: str, texts: Sequence[str]) -> Iterator[Disappointment]:
    """What is not e-mail has no subject."""
    if wanted.subject is not None:
        yield Disappointment("subject", f"the subject of {whose}", wanted.subject, "none")
    if wanted.contains is not None and not any(wanted.contains in text for text in texts):
        yield Disappointment("contains", whose, wanted.contains, f"{texts[0][:60]}…" if texts else "nothing")


def _of_audience(wanted: AudienceExpectation, count: int) -> Iterator[Disappointment]:
    what = "contacts that would take part"
    if wanted.between is not None and not wanted.between[0] <= count <= wanted.between[1]:
        yield Disappointment("audience", what, f"from {wanted.between[0]} to {wanted.between[1]}", str(count))
    for bounds, is_warning in ((wanted.error_if, False), (wanted.warn_if, True)):
        if bounds is not None and bounds.holds(count):
            limits = [
                f"{word} {limit}"
                for word, limit in (("not below", bounds.below), ("not above", bounds.above))
                if limit is not None
            ]
            yield Disappointment("audience", what, ", ".join(limits), str(count), is_warning)


def _differs(key: str, what: str, wanted: object, actual: object) -> Iterator[Disappointment]:
    if wanted is not None and str(wanted) != str(actual):
        yield Disappointment(key, what, str(wanted), str(actual))


def _names(contacts: Sequence[str]) -> str:
    shown = ", ".join(contacts[:20]) or "nobody"
    return shown if len(contacts) <= 20 else f"{shown} and {len(contacts) - 20} more"


def _whys(wanted: Sequence[str], delivered: Sequence[Delivered]) -> str:
    """Why contacts that should have got a message did not, where the ledger tells."""
    whys = [
        f"{each.contact}: {each.reason or each.state}"
        for each in delivered
        if each.contact in wanted and each.state != "sent"
    ]
    return f" ({', '.join(whys[:5])})" if whys else ""


def _counts(counts: Counter[str] | dict[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in sorted(counts.items())) or "nothing"


def _local(at: datetime | None, version: Version) -> str:
    return "never" if at is None else wall_text(at, version.zone)
