"""What two versions of a campaign differ in, whether it may be changed or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from campaignctl.campaign.cron import Cron
from campaignctl.campaign.fields import Model
from campaignctl.campaign.model import SegmentStarter
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.split import SplitStep
from campaignctl.campaign.steps.union import every_step, verb_of
from campaignctl.campaign.version import Version
from campaignctl.flow.changes import Change, ChangeKind
from campaignctl.flow.file_differences import file_changes
from campaignctl.flow.tree import Turn, siblings

# What says when a step's messages leave; everything else about a message is content.
_WHEN: Final = frozenset({"rate", "window"})


def differences(live: Version, file: Version) -> list[Change]:
    """Everything that *file* says otherwise than *live*, first about the campaign and then step by step."""
    return [*_of_campaign(live, file), *_of_project(live, file), *_of_steps(live, file)]


def _of_campaign(live: Version, file: Version) -> Iterator[Change]:
    before, after = live.campaign, file.campaign
    yield from _changed(None, ChangeKind.CONTENT, "title", before.title, after.title)
    yield from _changed(None, ChangeKind.STRUCTURE, "list", before.list_name, after.list_name)
    yield from _changed(None, ChangeKind.SCHEDULE, "timezone", live.content.timezone, file.content.timezone)
    yield from _changed_part(None, ChangeKind.SCHEDULE, "if_late", before, after)
    yield from _of_starter(before.starter, after.starter)


def _of_starter(before: Model, after: Model) -> Iterator[Change]:
    if not isinstance(before, SegmentStarter) or not isinstance(after, SegmentStarter):
        yield from _changed(None, ChangeKind.STRUCTURE, "starter", _dumped(before), _dumped(after))
        return
    if before.segment != after.segment:
        who, to_whom = ({"segment": _dumped(each)["segment"]} for each in (before, after))
        yield Change(None, ChangeKind.STRUCTURE, "starter", who, to_whom)
    yield from _changed(None, ChangeKind.SCHEDULE, EVERY, _text_of(before.every), _text_of(after.every))
    yield from _changed(None, ChangeKind.SCHEDULE, "starter.until", before.until, after.until)


EVERY: Final = "starter.every"  # the rule by which a campaign recurs


def _text_of(rule: Cron | None) -> str | None:
    return None if rule is None else rule.text


def _of_project(live: Version, file: Version) -> Iterator[Change]:
    """What versions keep of the project: it may have changed although the campaign's file has not."""
    before, after = live.content, file.content
    for field in ("project", "sender", "postal_address", "public_url"):
        yield from _changed(None, ChangeKind.CONTENT, field, getattr(before, field), getattr(after, field))
    yield from _changed_part(None, ChangeKind.STRUCTURE, "project_segment", before, after)
    yield from _changed_part(None, ChangeKind.STRUCTURE, "contacts", before, after)
    for name in dict.fromkeys([*before.topics, *after.topics]):
        yield from _changed(None, ChangeKind.CONTENT, f"topics.{name}", before.topics.get(name), after.topics.get(name))
    for name in dict.fromkeys([*before.segments, *after.segments]):
        if before.segments.get(name) != after.segments.get(name):
            yield Change(
                None,
                ChangeKind.STRUCTURE,
                f"{SEGMENTS}{name}",
                _dumped(before).get("segments", {}).get(name),
                _dumped(after).get("segments", {}).get(name),
            )


SEGMENTS: Final = "segments."  # before the name of a segment of the project


def _of_steps(live: Version, file: Version) -> Iterator[Change]:
    before = {step.id: step for step in every_step(live.campaign.steps)}
    after = {step.id: step for step in every_step(file.campaign.steps)}
    moved = dict(_moves(live, file))
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield Change(name, ChangeKind.STRUCTURE, "step", verb_of(before[name]), None, _renamed(name, before, after))
        elif name not in before:
            yield Change(name, ChangeKind.STRUCTURE, "step", None, verb_of(after[name]), _renamed(name, after, before))
        else:
            if name in moved:
                yield Change(name, ChangeKind.STRUCTURE, "place", *moved[name])
            yield from _of_step(before[name], after[name], live, file)


def _renamed(name: str, of: dict[str, StepBase], others: dict[str, StepBase]) -> str | None:
    """Whether this step is only there under another id: two changes that look like one."""
    same = (id_ for id_, step in others.items() if id_ not in of and step == of[name].model_copy(update={"id": id_}))
    other = next(same, None)
    return other and f"`{other}` is the same under another id: a renamed id is a removal and an addition"


def _of_step(before: StepBase, after: StepBase, live: Version, file: Version) -> Iterator[Change]:
    name = after.id
    yield from _changed(name, ChangeKind.CONTENT, "title", before.title, after.title)
    if (before.instant_in(live.zone) or before.at) != (after.instant_in(file.zone) or after.at):
        yield Change(name, ChangeKind.SCHEDULE, "at", before.at and before.at.text, after.at and after.at.text)
    yield from _changed_part(name, ChangeKind.SCHEDULE, "if_late", before, after)
    verb = verb_of(after)
    if verb != verb_of(before):
        yield Change(name, ChangeKind.STRUCTURE, "verb", verb_of(before), verb)
    elif verb == "set":
        yield from _of_set(name, getattr(before, verb), getattr(after, verb))
    else:
        yield from _of_properties(name, getattr(before, verb), getattr(after, verb), isinstance(after, SplitStep))
        yield from file_changes(before, after, live.files, file.files)


def _of_set(name: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for attribute in dict.fromkeys([*before, *after]):
        old, new = before.get(attribute), after.get(attribute)
        if (attribute in before, old) != (attribute in after, new):
            yield Change(name, ChangeKind.CONTENT, f"set.{attribute}", old, new)


def _of_properties(name: str, before: Model, after: Model, is_split: bool) -> Iterator[Change]:
    """What the verb says; of a split, without the steps in its branches, which are steps of their own."""
    for field, alias in _fields(before, after).items():
        kind = ChangeKind.STRUCTURE if is_split else ChangeKind.SCHEDULE if field in _WHEN else ChangeKind.CONTENT
        old, new = getattr(before, field, None), getattr(after, field, None)
        if is_split and field == "branches":
            old, new = _without_steps(old), _without_steps(new)
        if old != new:
            yield Change(name, kind, alias, _shown(before, alias), _shown(after, alias))


def _fields(*models: Model) -> dict[str, str]:
    return {name: field.alias or name for model in models for name, field in type(model).model_fields.items()}


def _without_steps(branches: Any) -> list[Any]:
    return [branch.model_copy(update={"steps": []}) for branch in branches]


def _shown(model: Model, alias: str) -> object:
    value = _dumped(model).get(alias)
    if alias == "branches" and isinstance(value, list):
        return [{key: each for key, each in branch.items() if key != "steps"} for branch in value]
    return value


def _dumped(model: Model) -> dict[str, Any]:
    """As JSON has it, without what was left out."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _changed(step: str | None, kind: ChangeKind, field: str, before: object, after: object) -> Iterator[Change]:
    if before != after:
        yield Change(step, kind, field, before, after)


def _changed_part(step: str | None, kind: ChangeKind, field: str, before: Model, after: Model) -> Iterator[Change]:
    if getattr(before, field) != getattr(after, field):
        yield Change(step, kind, field, _dumped(before).get(field), _dumped(after).get(field))


def _moves(live: Version, file: Version) -> Iterator[tuple[str, tuple[str, str]]]:
    """The steps that stand elsewhere among the others: the id, and the two places for people."""
    before, after = siblings(live.campaign), siblings(file.campaign)
    was_in = {name: turn for turn, names in before.items() for name in names}
    is_in = {name: turn for turn, names in after.items() for name in names}
    stays = {name for turn, names in after.items() for name in _in_order(before.get(turn, []), names)}
    for name in is_in:
        if name in was_in and name not in stays:
            yield name, (_place(name, before, was_in[name]), _place(name, after, is_in[name]))


def _in_order(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Those of *after* that keep their order."""
    old = [name for name in before if name in set(after)]
    new = [name for name in after if name in set(before)]
    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        yield from old[block.a : block.a + block.size]


def _place(name: str, among: dict[Turn | None, list[str]], turn: Turn | None) -> str:
    index = among[turn].index(name)
    where = f"after `{among[turn][index - 1]}`" if index else "first"
    return where if turn is None else f"{where}, in branch `{turn.branch}` of `{turn.split}`"
