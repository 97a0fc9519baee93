"""Rules of the project file: what it names has to exist, and addresses have to be some."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from campaignctl.campaign.attribute import ATTRIBUTE_NAME
from campaignctl.campaign.condition import Condition, SegmentCondition
from campaignctl.campaign.model import Campaign, SegmentStarter
from campaignctl.campaign.rules.references import cycle_through, with_paths
from campaignctl.campaign.source import Path, Value
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.union import every_step
from campaignctl.channels.http.pointer import is_pointer
from campaignctl.diagnostics import Problem, Severity, did_you_mean, listed
from campaignctl.message.address import parse_mailbox
from campaignctl.message.alignment import is_aligned, unaligned
from campaignctl.project import ProjectFile, RequestSettings

ProjectRule = Callable[[ProjectFile], Iterator[Problem]]

_WARNING: Final = Severity.WARNING
_TOPIC: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
_DKIM_KEY: Final = ("channels", "email", "dkim", "key")
_SECRETS: Final = (
    ("providers", "postmark", "token"),
    ("providers", "mailgun", "signing_key"),
    ("providers", "brevo", "token"),
    ("providers", "twilio", "auth_token"),
    ("providers", "generic", "secret"),
)


def segments_are_sound(file: ProjectFile) -> Iterator[Problem]:
    """C302, C303: segments that segments name exist, and none contains itself."""
    segments = file.project.segments
    named: list[tuple[Path, Condition]] = [(("segments", name), each) for name, each in segments.items()]
    if file.project.segment is not None:
        named.append((("segment",), file.project.segment))
    for place, condition in named:
        for path, inner in with_paths(condition, place, file.is_written):
            if isinstance(inner, SegmentCondition) and inner.segment not in segments:
                hint = did_you_mean(inner.segment, segments, "declare it below `segments:`")
                # A segment's name alone means that segment.
                here = (*path, "segment") if file.is_written((*path, "segment")) else path
                yield file.problem("C302", here, f"the project has no segment `{inner.segment}`", hint)
    for name in segments:
        circle = cycle_through(name, segments)
        if circle and circle[0] == name:
            ring = " → ".join(circle)
            yield file.problem(
                "C303", ("segments", name), f"the segment `{name}` contains itself: {ring}", "take one of them out"
            )


def endpoints_are_known(file: ProjectFile) -> Iterator[Problem]:
    """C306: the endpoint that carries text messages is declared."""
    sms = file.project.channels.sms
    if sms is not None and sms.endpoint not in file.project.endpoints:
        hint = did_you_mean(sms.endpoint, file.project.endpoints, "declare it below `endpoints:`")
        yield file.problem(
            "C306", ("channels", "sms", "endpoint"), f"the project has no endpoint `{sms.endpoint}`", hint
        )


def hooks_can_be_told(file: ProjectFile) -> Iterator[Problem]:
    """C425, C426: who is told of what happens is declared, and can tell that it is we who tell."""
    endpoints = file.project.endpoints
    for name, hook in file.project.hooks.items():
        here = ("hooks", name, "endpoint")
        if hook.endpoint not in endpoints:
            hint = did_you_mean(hook.endpoint, endpoints, "declare it below `endpoints:`")
            yield file.problem("C425", here, f"the project has no endpoint `{hook.endpoint}`", hint)
        elif not endpoints[hook.endpoint].secret:
            yield file.problem(
                "C426", here, f"the endpoint `{hook.endpoint}` has no secret to sign with",
                'add `secret: "${HOOK_SECRET}"` to it',
            )  # fmt: skip


def requests_are_encrypted(file: ProjectFile) -> Iterator[Problem]:
    """C411: nothing is sent to an endpoint in the clear unless that is wanted."""
    for name, endpoint in file.project.endpoints.items():
        if endpoint.url.startswith("http://") and not endpoint.allow_private:
            yield replace(
                file.problem(
                    "C411",
                    ("endpoints", name, "url"),
                    f"nothing is sent to `{name}`: `http://` is not encrypted",
                    "write `https://`, or say `allow_private: true`",
                ),
                severity=Severity.WARNING,
            )


def requests_can_be_made(file: ProjectFile) -> Iterator[Problem]:
    """C452 to C454: requests of an own form can be made, ids be found, and texts go by them."""
    sms = file.project.channels.sms
    for name, endpoint in file.project.endpoints.items():
        here: Path = ("endpoints", name)
        if endpoint.request is not None:
            yield from _trouble_with_template(file, (*here, "request", "body"), endpoint.request)
        if endpoint.message_id is not None and not is_pointer(endpoint.message_id):
            yield file.problem(
                "C453", (*here, "message_id"), f"`{endpoint.message_id}` is no JSON pointer",
                "write it like `/messages/0/id`",
            )  # fmt: skip
        is_of_texts = sms is not None and sms.endpoint == name
        for key in ("request", "message_id"):
            if getattr(endpoint, key) is not None and not is_of_texts:
                yield file.problem(
                    "C454", (*here, key), f"nothing reads `{key}`: no text message goes to `{name}`",
                    "name the endpoint in `channels.sms`, or take it out",
                )  # fmt: skip
        if sms is not None and is_of_texts and endpoint.request is not None and sms.preset != "generic":
            yield file.problem(
                "C454", ("channels", "sms", "preset"), f"`{name}` has a form of requests of its own already",
                "take `preset` out here, or `request` there",
            )  # fmt: skip


def _trouble_with_template(file: ProjectFile, place: Path, request: RequestSettings) -> Iterator[Problem]:
    # Few projects have one: the others are checked without the library.
    from campaignctl.message.metering import TemplateSyntaxProblem
    from campaignctl.message.sandbox import RenderError
    from campaignctl.message.sms_request import SAMPLE, TextRequestTemplate, unknown_names

    try:
        template = TextRequestTemplate(request.body, request.content_type)
        for unknown in unknown_names(request.body):
            hint = did_you_mean(unknown, SAMPLE, f"requests know {listed(list(SAMPLE), 'and')}")
            yield file.problem("C452", place, f"templates of requests do not know `{unknown}`", hint)
            return
        template.body(SAMPLE)
    except (TemplateSyntaxProblem, RenderError) as failure:
        said = str(failure).removeprefix("request: ")
        hint = "put quotes around texts, or write `tojson`" if "no JSON" in said else "mend the template"
        yield file.problem("C452", place, said, hint)


def addresses_can_be_used(file: ProjectFile) -> Iterator[Problem]:
    """C402, C152: the sender is a mailbox, and the public address one of the web."""
    if (sender := file.project.sender) is not None:
        try:
            parse_mailbox(sender)
        except ValueError:
            yield file.problem(
                "C402", ("sender",), f"`{sender}` is no mailbox", "write it like `Shop <news@shop.example>`"
            )
    urls: list[tuple[Path, str]] = [
        (("endpoints", name, "url"), each.url) for name, each in file.project.endpoints.items() if "${" not in each.url
    ]
    if file.project.public_url is not None:
        urls.append((("public_url",), file.project.public_url))
    for path, url in urls:
        if not _is_web_address(url):
            yield file.problem("C152", path, f"`{url}` is no web address", "write it like `https://mail.shop.example`")


def signatures_can_be_made(file: ProjectFile) -> Iterator[Problem]:
    """C420: the domain that signs is that of the sender."""
    project, email = file.project, file.project.channels.email
    if email is None or email.dkim is None or project.sender is None:
        return
    try:
        sender = parse_mailbox(project.sender).address
    except ValueError:
        return  # C402
    if not is_aligned(sender, email.dkim.domain):
        yield replace(file.problem("C420", ("sender",), *unaligned(sender, email.dkim.domain)), severity=_WARNING)


def secrets_come_from_outside(file: ProjectFile) -> Iterator[Problem]:
    """C421: keys and tokens are read from the environment."""
    for path in (_DKIM_KEY, *_SECRETS):
        written = _written(file, path)
        if written and "${" not in written and (path != _DKIM_KEY or written.startswith("-----BEGIN")):
            yield file.problem(
                "C421", path, f"`{path[-1]}` is a secret, and stands in the file",
                "put it into the environment, and write `${NAME}` here",
            )  # fmt: skip


def providers_can_be_heard(file: ProjectFile) -> Iterator[Problem]:
    """C422, C423: what providers are known by, and what they need."""
    providers, email = file.project.providers, file.project.channels.email
    if providers.ses is not None:
        topic = providers.ses.topic
        if "${" not in topic and not _TOPIC.fullmatch(topic):
            yield file.problem(
                "C422", ("providers", "ses", "topic"), f"`{topic}` is no topic of Amazon SNS",
                "write its ARN, like `arn:aws:sns:eu-west-1:123456789012:mail-events`",
            )  # fmt: skip
        if email is not None and email.dkim is not None:
            told = file.problem(
                "C423", ("channels", "email", "dkim"),
                "the signature breaks, because Amazon SES writes Date and Message-ID anew",
                "let Amazon SES sign (Easy DKIM), and take `dkim` out",
            )  # fmt: skip
            yield replace(told, severity=_WARNING)
    if providers.names and file.project.public_url is None:
        yield file.problem(
            "C422", ("providers",), "providers need the address at which the service is reachable",
            "add `public_url`",
        )  # fmt: skip


def is_bulk_mail(campaign: Campaign) -> bool:
    """
    Whether mail providers take a campaign's messages for bulk mail: to everybody of a segment.

    Who is written to because of a request has usually just done something, and
    waits for it: an order, a new password.
    """
    return isinstance(campaign.starter, SegmentStarter) and any(
        isinstance(step, EmailStep) for step in every_step(campaign.steps)
    )


def contacts_can_leave_at_once(file: ProjectFile) -> Iterator[Problem]:
    """C424: bulk mail that leaves for real has a way to unsubscribe with one click, over https."""
    email, url = file.project.channels.email, file.project.public_url
    if email is None or email.smtp is None or "${" in (url or "") or (url or "").startswith("https://"):
        return
    told = file.problem(
        "C424", ("channels", "email") if url is None else ("public_url",),
        "bulk mail has no way to unsubscribe with one click, which needs `public_url` over https",
        "add `public_url`" if url is None else "write it with `https://`",
    )  # fmt: skip
    yield replace(told, severity=_WARNING)


def topics_can_be_kept(file: ProjectFile) -> Iterator[Problem]:
    """C433: what contacts say of a topic has an attribute of its own, in every list."""
    lists = file.project.lists.items()
    roles = ("key", "email", "phone", "timezone", "language")
    taken = {
        str(getattr(settings, role)).lower(): f"the {role} of the list `{name}`"
        for name, settings in lists
        for role in roles
        if getattr(settings, role) is not None
    }
    for name, attribute in file.project.topic_attributes.items():
        place: Path = (
            ("topics", name, "attribute") if file.is_written(("topics", name, "attribute")) else ("topics", name)
        )
        what = taken.get(attribute.lower())
        if what is not None:
            yield file.problem(
                "C433", place, f"`{attribute}`, which would keep who wants `{name}`, is {what} already",
                "name another one with `attribute:`",
            )  # fmt: skip
        elif not ATTRIBUTE_NAME.fullmatch(attribute):
            yield file.problem(
                "C433", place, f"`{attribute}` is too long for an attribute", "name a shorter one with `attribute:`"
            )
        taken[attribute.lower()] = f"that of the topic `{name}`"


def parameters_have_hosts(file: ProjectFile) -> Iterator[Problem]:
    """C443: a parameter on links, and the hosts that get it."""
    conversions = file.project.conversions
    if conversions.parameter is not None and not conversions.hosts:
        place, hint = ("conversions", "parameter"), "add `hosts: [shop.example]`"
        yield file.problem("C443", place, "no host gets the parameter", hint)
    if conversions.hosts and conversions.parameter is None:
        yield file.problem("C443", ("conversions", "hosts"), "the hosts get no parameter", "add `parameter: cctl`")


def _written(file: ProjectFile, path: Path) -> str:
    """What the file itself has at *path*, before the environment is read; nothing where it has no text there."""
    value: Value = file.source.value
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return ""
        value = value[str(name)]
    return value if isinstance(value, str) else ""


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


PROJECT_RULES: Final[Sequence[ProjectRule]] = (
    segments_are_sound,
    endpoints_are_known,
    hooks_can_be_told,
    requests_are_encrypted,
    requests_can_be_made,
    addresses_can_be_used,
    signatures_can_be_made,
    secrets_come_from_outside,
    providers_can_be_heard,
    topics_can_be_kept,
    parameters_have_hosts,
)
