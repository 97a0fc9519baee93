"""All checks of campaign files, together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.load import CampaignFile, load_campaign
from campaignctl.campaign.rules import references, times, tree
from campaignctl.campaign.rules.known import Known, Rule
from campaignctl.diagnostics import Problem, by_place
from campaignctl.files import ProjectFiles
from campaignctl.message.rules import messages_can_be_made
from campaignctl.project import PROJECT_FILE, ProjectFile

RULES: Final[Sequence[Rule]] = (
    tree.ids_are_unique,
    tree.branches_are_sound,
    tree.messages_exist_before,
    tree.steps_can_be_reached,
    times.times_are_sound,
    references.list_is_known,
    references.conditions_fit,
    references.endpoints_are_known,
    references.files_exist,
    references.messages_are_whole,
    messages_can_be_made,
)


@dataclass
class Checked:
    """What checking found: the problems by place, the texts they stand in, and the campaign where it has a shape."""

    problems: list[Problem]
    texts: dict[str, str]
    files: ProjectFiles
    file: CampaignFile | None = None
    paths: list[str] = field(default_factory=list)


Attributes = Mapping[str, Mapping[str, AttributeType]]


def check_file(path: Path, project: ProjectFile, attributes: Attributes) -> Checked:
    """
    Check one campaign file against its project.

    *attributes* are those of each list, by name in small letters; nothing is
    said of attributes of a list that is not there.
    """
    name = str(path)
    files = ProjectFiles(project.folder, path.resolve().parent)
    try:
        content = path.read_bytes()
    except OSError as failure:
        trouble = Problem("C151", f"`{name}` cannot be read: {failure.strerror}", "check the path", file=name)
        return Checked([trouble], {}, files, paths=[name])
    loaded = load_campaign(name, content)
    texts = {name: content.decode("utf-8-sig", "replace")}
    if not isinstance(loaded, CampaignFile):
        return Checked(by_place(loaded), texts, files, paths=[name])
    known = Known(project.project, attributes.get(loaded.campaign.list_name), files.read)
    problems = [problem for rule in RULES for problem in rule(loaded, known)]
    for template in {problem.file for problem in problems} - {name}:
        read = files.read(template)
        texts[template] = read.decode("utf-8-sig", "replace") if isinstance(read, bytes) else ""
    return Checked(by_place(problems), texts, files, loaded, [name])


def check_paths(paths: Sequence[Path], project: ProjectFile, attributes: Attributes) -> Checked:
    """Check files, and all campaign files below folders; two campaigns with one name are a problem too."""
    whole = Checked([], {}, ProjectFiles(project.folder, project.folder))
    names: dict[str, str] = {}
    for path in campaign_files(paths):
        checked = check_file(path, project, attributes)
        whole.paths += checked.paths
        whole.problems += checked.problems
        whole.texts |= checked.texts
        if checked.file is not None:
            name = checked.file.campaign.campaign
            if name in names:
                message = f"the campaign `{name}` is also in {names[name]}"
                whole.problems.append(checked.file.problem("C207", ("campaign",), message, "give each its own name"))
            names.setdefault(name, str(path))
    whole.problems = by_place(whole.problems)
    return whole


def campaign_files(paths: Sequence[Path]) -> list[Path]:
    """The files that *paths* name, and the campaign files below the folders among them; each once."""
    found: dict[Path, None] = {}
    for path in paths:
        below = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")]) if path.is_dir() else [path]
        for each in below:
            if each.name != PROJECT_FILE and not each.name.endswith((".test.yaml", ".test.yml")):
                found[each] = None
    return list(found)
