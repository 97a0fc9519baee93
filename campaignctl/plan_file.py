"""A plan that was written into a file, and what has moved since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from campaignctl.errors import RefusedError, UsageError
from campaignctl.proposing import Proposal


@dataclass(frozen=True)
class Basis:
    """
    What a plan was made from: the campaign's file and what is in it, and the campaign as it was in the store.

    `file` is the path from the project's folder. `fingerprint` covers the
    file, its templates and what the project says of it.
    """

    file: str
    campaign: str
    fingerprint: str
    starts_now: bool
    base_version: int | None
    state: str | None
    steps: Mapping[str, str]


def basis_of(proposal: Proposal, file: Path, folder: Path, *, starts_now: bool) -> Basis:
    """What *proposal* was made from."""
    live, path = proposal.live, file.resolve()
    return Basis(
        file=str(path.relative_to(folder.resolve()) if path.is_relative_to(folder.resolve()) else path),
        campaign=proposal.version.name,
        fingerprint=proposal.version.fingerprint(),
        starts_now=starts_now,
        base_version=None if live is None else live.version,
        state=None if live is None else live.state.value,
        steps={} if live is None else {step.name: step.state.value for step in live.steps},
    )


def write_plan(path: Path, document: Mapping[str, Any], basis: Basis) -> None:
    """
    Write a plan into a file, together with what it was made from.

    Raises:
        UsageError: the file cannot be written.
    """
    text = json.dumps({**document, "basis": asdict(basis)}, ensure_ascii=False, indent=2)
    try:
        path.write_text(text + "\n", "utf-8", errors="backslashreplace")
    except OSError as failure:
        raise UsageError("P127", f"`{path}` cannot be written: {failure.strerror}", "name another file") from failure


def read_basis(path: Path) -> Basis:
    """
    What the plan in a file was made from.

    Raises:
        UsageError: it is no plan.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        basis = Basis(**found["basis"])
        is_whole = all(map(_fits, Basis.__annotations__.values(), asdict(basis).values()))
    except OSError as failure:
        raise UsageError("P127", f"`{path}` cannot be read: {failure.strerror}", "check the path") from failure
    except (ValueError, TypeError, KeyError):
        is_whole = False
    if not is_whole:
        raise UsageError("P127", f"`{path}` holds no plan", "write one with `campaignctl plan FILE --out PLAN`")
    return basis


def _fits(wanted: str, value: object) -> bool:
    """Whether a value of the file is of the kind that the field says."""
    kinds: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "bool": (bool,),
        "int | None": (int, type(None)),
        "str | None": (str, type(None)),
        "Mapping[str, str]": (dict,),
    }
    return isinstance(value, kinds[wanted])


def refuse_stale(shown: Basis, found: Basis) -> None:
    """
    Go on only where nothing has moved since the plan was shown.

    Raises:
        RefusedError: something has; it says what.
    """
    moved = list(_moved(shown, found))
    if moved:
        raise RefusedError(
            "P126",
            f"the plan of `{shown.campaign}` is stale\n" + "\n".join(f"  - {each}" for each in moved),
            "make a new plan, look at it, and publish that",
        )


def _moved(shown: Basis, found: Basis) -> Iterator[str]:
    """What differs, in sentences."""
    if shown.campaign != found.campaign:
        yield f"the file holds the campaign `{found.campaign}` now"
    if shown.base_version != found.base_version:
        yield f"it was made for {_version(shown)}, and the store has {_version(found)}"
    elif shown.state != found.state:
        yield f"the campaign was {shown.state}, and is {found.state}"
    if shown.fingerprint != found.fingerprint:
        yield "the file, a template of it or what the project says is not what it was"
    for name in dict.fromkeys([*shown.steps, *found.steps]):
        before, now = shown.steps.get(name), found.steps.get(name)
        if before != now and shown.base_version == found.base_version:
            yield f"`{name}` was {before}, and is {now}"


def _version(basis: Basis) -> str:
    return "no version" if basis.base_version is None else f"version {basis.base_version}"
