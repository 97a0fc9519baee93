"""Rules of the project file: what it names has to exist, and addresses have to be some."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from campaignctl.campaign.condition import Condition, SegmentCondition
from campaignctl.campaign.rules.references import cycle_through, with_paths
from campaignctl.campaign.source import Path
from campaignctl.diagnostics import Problem, Severity, did_you_mean
from campaignctl.message.address import parse_mailbox
from campaignctl.project import ProjectFile

ProjectRule = Callable[[ProjectFile], Iterator[Problem]]


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


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


PROJECT_RULES: Final[Sequence[ProjectRule]] = (
    segments_are_sound,
    endpoints_are_known,
    requests_are_encrypted,
    addresses_can_be_used,
)
