"""What the models refuse, as problems in our own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from campaignctl.campaign.condition import condition_trouble
from campaignctl.campaign.fields import Model, shown
from campaignctl.campaign.source import Path, Source
from campaignctl.campaign.steps.union import COMMON_KEYS, VERBS
from campaignctl.diagnostics import Problem, did_you_mean, listed

_MISSING_HINTS = {
    "id": "give the step a name of its own",
    "campaign": "name the campaign: `campaign: spring-sale`",
    "list": "name a list of the project: `list: customers`",
    "starter": "say who takes part: `starter: {segment: …}`",
    "steps": "list what happens",
    "at": "say when: `at: 2026-12-01 09:00`",
    "share": "say how much of the cohort: `share: 50%`",
}


def shape_problems(source: Source, model: type[Model], failure: ValidationError) -> list[Problem]:
    """Every complaint of *failure*, at its place in *source*."""
    return [_problem(source, model, details) for details in failure.errors(include_url=False)]


def _problem(source: Source, model: type[Model], details: ErrorDetails) -> Problem:
    path = _written_path(source.value, details["loc"])
    if details["type"] == "step" and len(unknown := _unknown_keys(details["input"])) == 1:
        path = (*path, unknown[0])
    code, message, hint, at_key = _explained(model, details, path)
    return Problem(
        code,
        message,
        hint,
        file=source.name,
        span=source.span(path, at_key=at_key),
        step=_step_at(source.value, path),
    )


def _written_path(value: Any, location: tuple[int | str, ...]) -> Path:
    """The part of a model's location that is written in the file: without the tags of unions."""
    path: list[str | int] = []
    for item in location:
        if isinstance(item, str) and item.startswith("<"):
            continue
        if isinstance(value, dict) and isinstance(item, str):
            path.append(item)
            value = value.get(item)
        elif isinstance(value, list) and isinstance(item, int) and item < len(value):
            path.append(item)
            value = value[item]
    return tuple(path)


def _step_at(value: Any, path: Path) -> str | None:
    """The id of the innermost step around *path*."""
    found = None
    for index, item in enumerate(path):
        if isinstance(value, dict):
            value = value.get(str(item))
        elif isinstance(value, list) and isinstance(item, int):
            value = value[item]
            if path[index - 1] == "steps" and isinstance(value, dict) and isinstance(value.get("id"), str):
                found = str(value["id"])
    return found


def _explained(model: type[Model], details: ErrorDetails, path: Path) -> tuple[str, str, str, bool]:
    """Code, message, hint, and whether the key is what is wrong."""
    kind, given, name = details["type"], details["input"], str(path[-1]) if path else ""
    context: dict[str, Any] = details.get("ctx", {})
    match kind:
        case "ours":
            return context["code"], context["message"], context["hint"], context["code"] == "C120"
        case "extra_forbidden":
            known = keys_at(model, details["loc"])
            return (
                "C110",
                f"`{name}` is not a key here",
                did_you_mean(name, known, f"known here: {listed(known)}"),
                True,
            )
        case "missing":
            hint = _MISSING_HINTS.get(name, f"add `{name}: …`")
            return "C111", f"`{name}` is missing", hint, True
        case "step":
            return *_step_trouble(given), True
        case "condition":
            return "C120", *condition_trouble(given), False
        case "split":
            by = given.get("by") if isinstance(given, dict) else None
            if by is None:
                return (
                    "C111",
                    "`by` is missing",
                    "say how the cohort is divided: `random`, `segment` or `engagement`",
                    True,
                )
            words = ["random", "segment", "engagement"]
            return (
                "C112",
                f"a split cannot be by {shown(by)}",
                did_you_mean(str(by), words, f"write {listed(words)}"),
                False,
            )
        case "starter":
            return (
                "C121",
                "a starter has either `segment` or `api`",
                "write one of them, and nothing else",
                True,
            )
        case "too_short":
            return (
                "C112",
                f"`{_nearest_key(path)}` has too few entries",
                f"write at least {context['min_length']}",
                False,
            )
        case "too_long":
            return (
                "C112",
                f"`{_nearest_key(path)}` has too many entries",
                f"write at most {context['max_length']}",
                False,
            )
        case "literal_error":
            words = [word.strip(" '") for word in str(context["expected"]).replace(" or ", ",").split(",")]
            return (
                "C112",
                f"`{name}` cannot be {shown(given)}",
                did_you_mean(str(given), words, f"write {listed(words)}"),
                False,
            )
        case "list_type":
            return (
                "C112",
                f"`{_nearest_key(path)}` has to be a list",
                "write its entries with a dash each",
                False,
            )
        case "model_type" | "model_attributes_type" | "dict_type":
            return (
                "C112",
                f"`{_nearest_key(path)}` has to be a mapping",
                "write keys and values below it",
                False,
            )
        case "union_tag_invalid" | "union_tag_not_found":
            return (
                "C112",
                f"`{_nearest_key(path)}` cannot be {shown(given)}",
                "see the language's page for its forms",
                False,
            )
        case "recursion_loop" | "string_type":
            return "C112", f"`{_nearest_key(path)}` cannot be {shown(given)}", "write text", False
        case _:
            return (
                "C112",
                f"`{_nearest_key(path)}` cannot be {shown(given)}",
                "see the language's page for its forms",
                False,
            )


def _nearest_key(path: Path) -> str:
    return next((item for item in reversed(path) if isinstance(item, str)), "the file")


def _unknown_keys(given: Any) -> list[str]:
    if not isinstance(given, dict) or any(key in VERBS for key in given):
        return []
    return [key for key in given if key not in COMMON_KEYS]


def _step_trouble(given: Any) -> tuple[str, str, str]:
    if not isinstance(given, dict):
        return "C112", "a step has to be a mapping", "write `- id: NAME` and a verb"
    verbs = [key for key in given if key in VERBS]
    if len(verbs) > 1:
        return "C122", f"a step does {listed(verbs, 'and')} at once", "make a step of each"
    unknown = _unknown_keys(given)
    if len(unknown) == 1:
        return (
            "C122",
            f"`{unknown[0]}` is not a verb",
            did_you_mean(unknown[0], VERBS, f"a step does one of {listed(VERBS)}"),
        )
    return "C122", "a step does nothing", f"add one of {listed(VERBS)}"


def keys_at(model: type[Model], location: tuple[int | str, ...]) -> list[str]:
    """The keys that *model* knows at a location that pydantic reports, as the file writes them."""
    found: set[type[Model]] = {model}
    for item in location[:-1]:
        found = {inner for outer in found for inner in _inside(outer, item)} or found
    return sorted({field.alias or name for each in found for name, field in each.model_fields.items()})


def _inside(model: type[Model], item: int | str) -> set[type[Model]]:
    """The models that a location's next item leads to; tags and indexes stay where they are."""
    if isinstance(item, int):
        return {model}
    if item.startswith("<"):
        return {model}
    for name, field in model.model_fields.items():
        if (field.alias or name) == item:
            return set(_models_in(field.annotation))
    return {model}


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
