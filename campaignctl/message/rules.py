"""Rules of messages: mailboxes, headers, templates, and what marketing mail has to carry."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.model import ApiStarter
from campaignctl.campaign.rules.known import Known, placed_steps
from campaignctl.campaign.source import Path
from campaignctl.campaign.steps.email import BodyPair, Email, EmailStep
from campaignctl.campaign.steps.set import SetStep
from campaignctl.campaign.steps.sms import Sms, SmsStep
from campaignctl.campaign.steps.webhook import WebhookStep
from campaignctl.campaign.version import file_ending
from campaignctl.diagnostics import Problem, Severity, Span, did_you_mean, listed
from campaignctl.message.address import parse_mailbox
from campaignctl.message.alignment import is_aligned, unaligned
from campaignctl.message.headers import may_be_set

_ALWAYS_KNOWN = frozenset({"id", "email", "phone"})


def messages_can_be_made(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C401 to C410, C420 and C450, for every message and request of the campaign."""
    for path, step in placed_steps(file):
        if isinstance(step, EmailStep):
            here = (*path, "email")
            yield from _mailboxes(file, here, step.email, known, step.id)
            yield from _signature(file, here, step.email, known, step.id)
            yield from _headers(file, here, step.email, step.id)
            yield from _written_here(file, here, step.email, known, step.id)
            yield from _bodies(file, here, step.email, known, step.id)
            yield from _tracking(file, here, step.email, known, step.id)
        elif isinstance(step, SmsStep):
            yield from _texts(file, (*path, "sms"), step.sms, known, step.id)
        elif isinstance(step, WebhookStep) and step.webhook.body:
            yield from _body_of_request(file, (*path, "webhook", "body"), step.webhook.body, known, step.id)
        elif isinstance(step, SetStep):
            for name, value in step.set.items():
                if isinstance(value, str) and "{" in value:
                    yield from _inline(file, (*path, "set", name), value, known, step.id)


def _mailboxes(file: CampaignFile, path: Path, email: Email, known: Known, step: str) -> Iterator[Problem]:
    if email.from_ is None and known.project.sender is None:
        yield file.problem(
            "C401", path, f"the message of `{step}` has no sender", "set `sender:` in campaignctl.yaml",
            at_key=True, step=step,
        )  # fmt: skip
    for key, value in (("from", email.from_), ("reply_to", email.reply_to)):
        if value is not None and not _is_mailbox(value):
            yield file.problem(
                "C402", (*path, key), f"`{value}` is no mailbox", "write it like `Shop <news@shop.example>`", step=step
            )
    if email.from_ is None and known.project.sender is not None and not _is_mailbox(known.project.sender):
        yield file.problem(
            "C402", path, f"the sender `{known.project.sender}` in campaignctl.yaml is no mailbox",
            "write `sender: Shop <news@shop.example>` there", at_key=True, step=step,
        )  # fmt: skip


def _signature(file: CampaignFile, path: Path, email: Email, known: Known, step: str) -> Iterator[Problem]:
    channel = known.project.channels.email
    if channel is None or channel.dkim is None or email.from_ is None or not _is_mailbox(email.from_):
        return
    sender, domain = parse_mailbox(email.from_).address, channel.dkim.domain
    if not is_aligned(sender, domain):
        message, hint = unaligned(sender, domain)
        yield file.problem("C420", (*path, "from"), message, hint, severity=Severity.WARNING, step=step)


def _is_mailbox(text: str) -> bool:
    try:
        parse_mailbox(text)
    except ValueError:
        return False
    return True


def _headers(file: CampaignFile, path: Path, email: Email, step: str) -> Iterator[Problem]:
    for name in email.headers:
        if not may_be_set(name):
            yield file.problem(
                "C403", (*path, "headers", name), f"a campaign cannot set the header `{name}`",
                "use a name that begins with `X-`", at_key=True, step=step,
            )  # fmt: skip


def _written_here(file: CampaignFile, path: Path, email: Email, known: Known, step: str) -> Iterator[Problem]:
    for key, value in (("subject", email.subject), ("preheader", email.preheader)):
        if value:
            yield from _inline(file, (*path, key), value, known, step)
    for name, value in email.headers.items():
        yield from _inline(file, (*path, "headers", name), value, known, step)


def _inline(file: CampaignFile, path: Path, source: str, known: Known, step: str) -> Iterator[Problem]:
    for found in _troubles(file, source, known):
        yield file.problem(found.code, path, found.message, found.hint, severity=found.severity, step=step)


def _bodies(file: CampaignFile, path: Path, email: Email, known: Known, step: str) -> Iterator[Problem]:
    paths = [email.body] if isinstance(email.body, str) else []
    if isinstance(email.body, BodyPair):
        paths = [each for each in (email.body.html, email.body.text) if each]
    sources = {}
    for name in paths:
        content = known.read(name)
        if isinstance(content, bytes) and file_ending(name) in ("md", "html", "htm", "mjml", "txt"):
            try:
                sources[name] = content.decode("utf-8-sig")
            except UnicodeDecodeError:
                yield file.problem(
                    "C404", (*path, "body"), f"`{name}` is not UTF-8 text", "save it as UTF-8", step=step
                )
    for name, source in sources.items():
        for found in _troubles(file, source, known):
            place = whole_line(source, found.line)
            yield Problem(found.code, found.message, found.hint, found.severity, name, place, step)
    whole = "".join(sources.values())
    if sources and "unsubscribe_url" not in whole:
        yield file.problem(
            "C407", (*path, "body"), f"the message of `{step}` has no link to unsubscribe",
            "put `{{ unsubscribe_url }}` into its body", severity=Severity.WARNING, step=step,
        )  # fmt: skip
    if sources and "postal_address" not in whole:
        yield file.problem(
            "C408", (*path, "body"), f"the message of `{step}` has no postal address",
            "put `{{ postal_address }}` into its body", severity=Severity.WARNING, step=step,
        )  # fmt: skip
    elif sources and not known.project.postal_address:
        yield file.problem(
            "C408", (*path, "body"), "the project has no `postal_address`, which the message shows",
            "add it to campaignctl.yaml", step=step,
        )  # fmt: skip


def _tracking(file: CampaignFile, path: Path, email: Email, known: Known, step: str) -> Iterator[Problem]:
    if email.track is not None and (email.track.opens or email.track.clicks) and not known.project.public_url:
        yield file.problem(
            "C450", (*path, "track"), "`track` needs the address at which the service is reachable",
            "add `public_url` to campaignctl.yaml, or take `track` out", at_key=True, step=step,
        )  # fmt: skip


def _texts(file: CampaignFile, path: Path, sms: Sms, known: Known, step: str) -> Iterator[Problem]:
    if sms.text:
        yield from _inline(file, (*path, "text"), sms.text, known, step)
    for place, variant in enumerate(sms.variants):
        yield from _inline(file, (*path, "variants", place, "text"), variant.text, known, step)
    contacts = known.project.lists.get(file.campaign.list_name)
    if contacts is not None and contacts.phone is None:
        yield file.problem(
            "C410", path, f"the list `{file.campaign.list_name}` has no phone numbers, so nobody gets the text",
            "say which attribute they are: `phone: mobile` in campaignctl.yaml",
            severity=Severity.WARNING, at_key=True, step=step,
        )  # fmt: skip


def _body_of_request(file: CampaignFile, path: Path, name: str, known: Known, step: str) -> Iterator[Problem]:
    content = known.read(name)
    if not isinstance(content, bytes):
        return
    # A project without webhooks is checked without the library.
    from campaignctl.message.json_body import JsonTemplate
    from campaignctl.message.metering import TemplateSyntaxProblem

    try:
        source = content.decode("utf-8-sig")
        JsonTemplate(name, source)
    except UnicodeDecodeError:
        yield file.problem("C404", path, f"`{name}` is not UTF-8 text", "save it as UTF-8", step=step)
    except TemplateSyntaxProblem as problem:
        line = whole_line(source, problem.line)
        yield Problem("C404", str(problem), "mend the template", Severity.ERROR, name, line, step)


def whole_line(source: str, number: int) -> Span:
    lines = source.splitlines()
    line = lines[number - 1] if number <= len(lines) else ""
    start = len(line) - len(line.lstrip()) + 1
    return Span(number, start, number, max(len(line.rstrip()), start) + 1)


class _Trouble(NamedTuple):
    """Something that is wrong in a template, and in which line of it."""

    code: str
    message: str
    hint: str
    line: int
    severity: Severity = Severity.ERROR


def _troubles(file: CampaignFile, source: str, known: Known) -> Iterator[_Trouble]:
    """Everything wrong in one template."""
    if "{" not in source:
        return
    # A file without templates is checked without the library.
    from campaignctl.message.inspection import inspected

    found = inspected(source)
    known_names = sorted(found.known_names)
    for message, line in found.problems:
        yield _Trouble("C404", message, "mend the template", line)
    for name, line in found.unknown_names:
        hint = did_you_mean(name, known_names, f"templates know {listed(known_names, 'and')}")
        yield _Trouble("C405", f"templates do not know `{name}`", hint, line)
    if found.view_url and not known.project.public_url:
        hint = "add `public_url` to campaignctl.yaml, or take `view_url` out"
        said = "`view_url` needs the address at which the service is reachable"
        yield _Trouble("C409", said, hint, found.view_url[0])
    if known.attributes is not None:
        for name, line in found.attributes:
            if name.lower() not in known.attributes and name not in _ALWAYS_KNOWN:
                yield _unknown_attribute(file, name, line, known.attributes)


def _unknown_attribute(file: CampaignFile, name: str, line: int, attributes: Collection[str]) -> _Trouble:
    """Nobody has it; that is no mistake where a request may bring it, with contacts of its own."""
    message = f"no contact of the list has the attribute `{name}`"
    if isinstance(file.campaign.starter, ApiStarter):
        hint = did_you_mean(name, attributes, "see to it that the request brings it for every contact")
        return _Trouble("C406", message, hint, line, Severity.WARNING)
    hint = did_you_mean(name, attributes, "check its spelling, or bring it in with the contacts")
    return _Trouble("C406", message, hint, line)
