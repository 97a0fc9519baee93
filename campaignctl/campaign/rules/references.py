"""Rules of names: lists, segments, endpoints, attributes and files that exist, and fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.condition import AttributeCondition, Condition, SegmentCondition, parts, within_condition
from campaignctl.campaign.fields import read_literal
from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.model import SegmentStarter
from campaignctl.campaign.moments import instant_of
from campaignctl.campaign.rules.known import Known, placed_steps
from campaignctl.campaign.source import Path, Plain
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.export import ExportStep
from campaignctl.campaign.steps.gate import GateStep
from campaignctl.campaign.steps.set import SetStep
from campaignctl.campaign.steps.sms import SmsStep
from campaignctl.campaign.steps.split import SegmentSplit, SplitStep
from campaignctl.campaign.steps.webhook import WebhookStep
from campaignctl.campaign.version import file_ending, paths_of
from campaignctl.diagnostics import Problem, Severity, did_you_mean
from campaignctl.files import FileTrouble

_TIMES = (AttributeType.DATE, AttributeType.INSTANT)
_TEXT_OPERATORS = ("contains", "not_contains", "starts_with", "ends_with")
_TIME_OPERATORS = ("before", "after", "within", "older_than", "anniversary")
_BODY_ENDINGS = ("md", "html", "htm", "mjml", "txt")


def list_is_known(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C301: the project declares the list."""
    name = file.campaign.list_name
    if name not in known.project.lists:
        yield file.problem(
            "C301", ("list",), f"the project has no list `{name}`",
            did_you_mean(name, known.project.lists, "declare it below `lists:` in campaignctl.yaml"),
        )  # fmt: skip


def conditions_fit(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C302 to C305: segments and attributes that exist, and comparisons that can be made."""
    for path, condition in _conditions(file):
        for inner_path, inner in with_paths(condition, path, file.is_written):
            if isinstance(inner, SegmentCondition):
                yield from _segment_problems(file, inner_path, inner.segment, known)
            elif isinstance(inner, AttributeCondition) and known.attributes is not None:
                yield from _attribute_problems(file, inner_path, inner, known.attributes)
    if known.project.segment is not None:
        yield from _inside_segment(file, ("list",), "the project's own segment", known.project.segment, known)


def _conditions(file: CampaignFile) -> Iterator[tuple[Path, Condition]]:
    starter = file.campaign.starter
    if isinstance(starter, SegmentStarter):
        yield ("starter", "segment"), starter.segment
    for path, step in placed_steps(file):
        if isinstance(step, SplitStep) and isinstance(step.split, SegmentSplit):
            for number, branch in enumerate(step.split.branches):
                if branch.when is not None:
                    yield (*path, "split", "branches", number, "when"), branch.when


def with_paths(
    condition: Condition, path: Path, is_written: Callable[[Path], bool]
) -> Iterator[tuple[Path, Condition]]:
    """*condition*, which stands at *path*, and all that is inside it, each with its path in the file."""
    yield path, condition
    key = next((name for name in ("all", "any", "none", "of") if name in type(condition).model_fields), "")
    for number, part in enumerate(parts(condition)):
        # A list of conditions means all of them, without the word.
        inside = (*path, key) if is_written((*path, key)) else path
        yield from with_paths(part, (*inside, number), is_written)


def _segment_problems(file: CampaignFile, path: Path, name: str, known: Known) -> Iterator[Problem]:
    segments = known.project.segments
    place = (*path, "segment") if file.is_written((*path, "segment")) else path
    if name not in segments:
        yield file.problem(
            "C302", place, f"the project has no segment `{name}`",
            did_you_mean(name, segments, "declare it below `segments:` in campaignctl.yaml"),
        )  # fmt: skip
    elif circle := cycle_through(name, segments):
        ring = " → ".join(circle)
        yield file.problem("C303", place, f"the segment `{name}` contains itself: {ring}", "take one of them out")
    else:
        yield from _inside_segment(file, place, f"the segment `{name}`", segments[name], known)


def _inside_segment(
    file: CampaignFile, path: Path, which: str, condition: Condition, known: Known, passed: frozenset[str] = frozenset()
) -> Iterator[Problem]:
    """What is wrong inside a segment of the project for this list; told where the file names it."""
    for inner in within_condition(condition):
        if isinstance(inner, AttributeCondition) and known.attributes is not None:
            for problem in _attribute_problems(file, path, inner, known.attributes):
                yield replace(problem, message=f"in {which}, {problem.message}", span=file.problem("", path, "").span)
        elif isinstance(inner, SegmentCondition) and inner.segment not in passed:
            further = known.project.segments.get(inner.segment)
            if further is None:
                yield file.problem(
                    "C302", path, f"in {which}, the project has no segment `{inner.segment}`", "mend campaignctl.yaml"
                )
            else:
                yield from _inside_segment(
                    file, path, f"the segment `{inner.segment}`", further, known, passed | {inner.segment}
                )


def cycle_through(name: str, segments: Mapping[str, Condition]) -> list[str]:
    """The names along which a segment leads back to one it came from; nothing where it does not."""

    def visit(current: str, way: list[str]) -> list[str]:
        if current in way:
            return [*way[way.index(current) :], current]
        for inner in within_condition(segments[current]):
            if isinstance(inner, SegmentCondition) and inner.segment in segments:
                found = visit(inner.segment, [*way, current])
                if found:
                    return found
        return []

    return visit(name, [])


def _attribute_problems(
    file: CampaignFile, path: Path, condition: AttributeCondition, attributes: Mapping[str, AttributeType]
) -> Iterator[Problem]:
    name = condition.attribute
    kind = attributes.get(name.lower())
    if kind is None:
        yield file.problem(
            "C304", (*path, "attribute"), f"no contact of the list has the attribute `{name}`",
            did_you_mean(name, attributes, "check its spelling, or bring it in with the contacts"),
            severity=Severity.WARNING,
        )  # fmt: skip
        return
    operator, is_what = condition.operator, f"`{name}` is {_kind(kind)}"
    if operator in _TEXT_OPERATORS and kind is not AttributeType.TEXT:
        message, hint = f"`{operator}` looks into text, and {is_what}", "use `eq`, or another operator for values"
    elif operator in _TIME_OPERATORS and kind not in _TIMES:
        message, hint = f"`{operator}` compares dates, and {is_what}", "use `eq`, or another operator for values"
    elif wrong := [value for value in _operands(condition) if not _can_compare(value, kind)]:
        message, hint = f"{is_what}, and {_written(wrong[0])} is not", f"compare it with {_kind(kind)}"
    else:
        return
    yield file.problem("C305", (*path, operator), message, hint)


def _operands(condition: AttributeCondition) -> list[Any]:
    if condition.operator in ("exists", "within", "older_than", "anniversary", *_TEXT_OPERATORS):
        return []
    operand: Any = condition.operand
    return list(operand) if isinstance(operand, list) else [operand]


def _written(value: object) -> str:
    """A value as the file writes it: a text that looks like something else has quotes."""
    if isinstance(value, str) and read_literal(Plain(value)) != value:
        return f'`"{value}"`'
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _can_compare(value: object, kind: AttributeType) -> bool:
    match kind:
        case AttributeType.TEXT:
            return isinstance(value, str)
        case AttributeType.BOOLEAN:
            return isinstance(value, bool)
        case AttributeType.DATE | AttributeType.INSTANT:
            return isinstance(value, str) and instant_of(value, None) is not None
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(kind: AttributeType) -> str:
    return {"integer": "a number", "number": "a number", "boolean": "true or false", "instant": "an instant"}.get(
        kind, "text" if kind is AttributeType.TEXT else f"a {kind}"
    )


def endpoints_are_known(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C306: the project declares every endpoint."""
    for path, step in placed_steps(file):
        named: list[tuple[Path, str]] = []
        match step:
            case WebhookStep():
                named.append(((*path, "webhook", "endpoint"), step.webhook.endpoint))
            case GateStep():
                named.append(((*path, "gate", "endpoint"), step.gate.endpoint))
            case EmailStep() if step.email.gate:
                named.append(((*path, "email", "gate", "endpoint"), step.email.gate.endpoint))
            case SmsStep() if step.sms.gate:
                named.append(((*path, "sms", "gate", "endpoint"), step.sms.gate.endpoint))
        for place, name in named:
            if name not in known.project.endpoints:
                yield file.problem(
                    "C306", place, f"the project has no endpoint `{name}`",
                    did_you_mean(name, known.project.endpoints, "declare it below `endpoints:` in campaignctl.yaml"),
                    step=step.id,
                )  # fmt: skip


def exports_go_somewhere(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C412, C451: an export goes to a `.csv` file inside the project, or to an endpoint, and says where there."""
    for path, step in placed_steps(file):
        if not isinstance(step, ExportStep):
            continue
        yield from _audience_is_named(file, (*path, "export"), step)
        if step.export.to in known.project.endpoints:
            continue
        to = PurePosixPath(step.export.to)
        if to.is_absolute() or ".." in to.parts or to.suffix != ".csv" or "\0" in step.export.to:
            yield file.problem(
                "C412", (*path, "export", "to"),
                f"`{step.export.to}` is no `.csv` file inside the project, and no endpoint of it",
                "write a path like `exports/audience.csv`: it begins at the project's folder", step=step.id,
            )  # fmt: skip


def _audience_is_named(file: CampaignFile, path: Path, step: ExportStep) -> Iterator[Problem]:
    """C451: what only TikTok's requests say is said for these, and for no others."""
    export = step.export
    for key in ("audience", "advertiser"):
        is_given, is_needed = getattr(export, key) is not None, export.format == "tiktok" and not export.is_file
        if is_needed and not is_given:
            yield file.problem(
                "C451", (*path, "to"), f"requests to TikTok name the {key}, and `{step.id}` says none",
                f"add `{key}: ID`, as TikTok's Ads Manager shows it", step=step.id,
            )  # fmt: skip
        elif is_given and not is_needed:
            yield file.problem(
                "C451", (*path, key), f"nothing reads `{key}` here", "take it out: only requests to TikTok name it",
                at_key=True, step=step.id,
            )  # fmt: skip


def files_exist(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C220, C221: bodies and attachments are inside the project, and bodies are of a known kind."""
    for path, step in placed_steps(file):
        if isinstance(step, WebhookStep) and step.webhook.body:
            trouble = known.read(step.webhook.body)
            if isinstance(trouble, FileTrouble):
                place = (*path, "webhook", "body")
                yield file.problem("C220", place, trouble.message, trouble.hint, step=step.id)
        if not isinstance(step, EmailStep):
            continue
        bodies = paths_of(step.email)[: -len(step.email.attachments) or None]
        for name in paths_of(step.email):
            place = _place_of(file, (*path, "email"), name)
            if isinstance(trouble := known.read(name), FileTrouble):
                yield file.problem("C220", place, trouble.message, trouble.hint, step=step.id)
            elif name in bodies and file_ending(name) not in _BODY_ENDINGS:
                yield file.problem(
                    "C221", place, f"`{name}` is no template: its ending is not known",
                    "name a `.md`, `.html`, `.mjml` or `.txt` file", step=step.id,
                )  # fmt: skip


def _place_of(file: CampaignFile, path: Path, name: str) -> Path:
    """Where below *path* the text *name* is written."""

    def search(value: Any, here: Path) -> Path | None:
        if value == name:
            return here
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return next((found for key, each in inner if (found := search(each, (*here, key)))), None)

    value: Any = file.source.value
    for item in file.written(path):
        value = value[item]
    return search(value, path) or path


def messages_are_whole(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C222, C223: subject, body and text; variants and their test."""
    for path, step in placed_steps(file):
        if isinstance(step, EmailStep):
            for key in ("subject", "body"):
                given = getattr(step.email, key) or (
                    step.email.variants and all(getattr(each, key) for each in step.email.variants)
                )
                if not given:
                    yield file.problem(
                        "C222", (*path, "email"), f"the message of `{step.id}` has no {key}", f"add `{key}: …`",
                        at_key=True, step=step.id,
                    )  # fmt: skip
            if step.email.test and not step.email.variants:
                yield file.problem(
                    "C223", (*path, "email", "test"), "`test` has no variants", "add `variants`", step=step.id
                )
        elif isinstance(step, SmsStep) and not (step.sms.text or step.sms.variants):
            yield file.problem(
                "C222",
                (*path, "sms"),
                f"the message of `{step.id}` has no text",
                "add `text: …`",
                at_key=True,
                step=step.id,
            )
        elif isinstance(step, SetStep) and file.campaign.list_name in known.project.lists:
            key = known.project.lists[file.campaign.list_name].key
            if key in step.set:
                yield file.problem(
                    "C307", (*path, "set", key), f"`{key}` is the key of the list, and cannot be set",
                    "set another attribute", at_key=True, step=step.id,
                )  # fmt: skip
