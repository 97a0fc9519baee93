"""What the models refuse, as problems in our own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from campaignctl.campaign.condition import condition_trouble
from campaignctl.campaign.fields import Model, shown
from campaignctl.campaign.model import SingleSend
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
_SPLITS = ("random", "segment", "engagement")
_STARTERS = ("segment", "api")


def shape_problems(source: Source, model: type[Model], failure: ValidationError) -> list[Problem]:
    """Every complaint of *failure*, at its place in *source*."""
    return [_problem(source, model, details) for details in failure.errors(include_url=False)]


class _Said(NamedTuple):
    """What a problem is, and where below the path that pydantic reports."""

    message: str
    hint: str
    code: str = "C112"
    at: str = ""
    at_key: bool = False


def _problem(source: Source, model: type[Model], details: ErrorDetails) -> Problem:
    path = _written_path(source.value, details["loc"])
    said = _explained(model, details, path)
    if said.at:
        path = (*path, said.at)
    return Problem(
        said.code,
        said.message,
        said.hint,
        file=source.name,
        span=source.span(path, at_key=said.at_key or details["loc"][-1:] == ("[key]",)),
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


def _explained(model: type[Model], details: ErrorDetails, path: Path) -> _Said:
    given, name, key = details["input"], str(path[-1]) if path else "", _nearest_key(path)
    context: dict[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "ours":
            code = context["code"]
            return _Said(context["message"], context["hint"], code, context["at"], at_key=code in ("C120", "C122"))
        case "extra_forbidden":
            known = keys_at(model, details["loc"])
            hint = did_you_mean(name, known, f"known here: {listed(known)}" if known else "take it out")
            if model is SingleSend and path == (name,) and name in VERBS:
                hint = f"make `{name}` a step, below `steps`"
            return _Said(f"`{name}` is not a key here", hint, "C110", at_key=True)
        case "missing":
            return _Said(f"`{name}` is missing", _MISSING_HINTS.get(name, f"add `{name}: …`"), "C111", at_key=True)
        case "step":
            return _step_trouble(given)
        case "condition":
            message, hint, at = condition_trouble(given)
            return _Said(message, hint, "C120", at, at_key=bool(at))
        case "split":
            return _split_trouble(given)
        case "starter":
            return _starter_trouble(given)
        case "too_short":
            return _Said(f"`{key}` has too few entries", f"write at least {context['min_length']}", at_key=True)
        case "too_long":
            return _Said(f"`{key}` has too many entries", f"write at most {context['max_length']}", at_key=True)
        case "literal_error":
            words = [word.strip(" '") for word in str(context["expected"]).replace(" or ", ",").split(",")]
            return _Said(f"`{key}` cannot be {shown(given)}", did_you_mean(str(given), words, f"write {listed(words)}"))
        case "list_type":
            return _Said(f"`{key}` has to be a list", "write its entries below it, with a dash each")
        case "model_type" | "model_attributes_type" | "dict_type":
            return _Said(f"`{key}` has to be a mapping", "write keys and values below it")
        case _:
            return _Said(
                f"`{key}` cannot be {shown(given)}", "write it in one of the forms that docs/language.md shows"
            )


def _nearest_key(path: Path) -> str:
    return next((item for item in reversed(path) if isinstance(item, str)), "the file")


def _step_trouble(given: Any) -> _Said:
    if not isinstance(given, dict):
        return _Said("a step has to be a mapping", "write `- id: NAME` and a verb")
    verbs = [key for key in given if key in VERBS]
    if len(verbs) > 1:
        return _Said(
            f"a step does {listed(verbs, 'and')} at once", "make a step of each", "C122", verbs[1], at_key=True
        )
    unknown = [key for key in given if key not in COMMON_KEYS]
    if len(unknown) == 1:
        hint = did_you_mean(unknown[0], VERBS, f"write one of {listed(VERBS)}")
        return _Said(f"`{unknown[0]}` is not a verb", hint, "C122", unknown[0], at_key=True)
    return _Said("a step does nothing", f"add one of {listed(VERBS)}", "C122", at_key=True)


def _split_trouble(given: Any) -> _Said:
    if not isinstance(given, dict):
        return _Said("`split` has to be a mapping", "write `by` and `branches` below it")
    if "by" not in given:
        return _Said("`by` is missing", "add `by: random`, `by: segment` or `by: engagement`", "C111", at_key=True)
    by = given["by"]
    return _Said(
        f"a split cannot be by {shown(by)}", did_you_mean(str(by), _SPLITS, f"write {listed(_SPLITS)}"), at="by"
    )


def _starter_trouble(given: Any) -> _Said:
    if not isinstance(given, dict):
        return _Said("`starter` has to be a mapping", "write `starter: {segment: …}`", "C121")
    if "segment" in given and "api" in given:
        return _Said("a starter says `segment` and `api` at once", "keep one of them", "C121", "api", at_key=True)
    if len(given) == 1:
        (word,) = given
        hint = did_you_mean(word, _STARTERS, f"write {listed(_STARTERS)}")
        return _Said(f"`{word}` is not a starter", hint, "C121", word, at_key=True)
    return _Said("a starter needs `segment` or `api`", "add `segment: …`", "C121", at_key=True)


def keys_at(model: type[Model], location: tuple[int | str, ...]) -> list[str]:
    """The keys that *model* knows at a location that pydantic reports, as the file writes them."""
    found: set[type[Model]] = {model}
    for item in location[:-1]:
        found = {inner for outer in found for inner in _inside(outer, item)} or found
    return sorted({field.alias or name for each in found for name, field in each.model_fields.items()})


def _inside(model: type[Model], item: int | str) -> Iterator[type[Model]]:
    """The models that a key leads to; none for an index or a tag, which stay where they are."""
    for name, field in model.model_fields.items():
        if (field.alias or name) == item:
            yield from _models_in(field.annotation)


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
