"""All checks of campaign files, together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.load import CampaignFile, load_campaign
from campaignctl.campaign.model import Campaign
from campaignctl.campaign.rules import gates, references, times, topics, tree
from campaignctl.campaign.rules.known import Known, Rule
from campaignctl.diagnostics import Problem, by_place
from campaignctl.files import ProjectFiles
from campaignctl.message.gate_values import values_are_asked_for
from campaignctl.message.rules import messages_can_be_made
from campaignctl.project import PROJECT_FILE, ProjectFile
from campaignctl.project_rules import PROJECT_RULES, contacts_can_leave_at_once, is_bulk_mail

RULES: Final[Sequence[Rule]] = (
    tree.ids_are_unique,
    tree.branches_are_sound,
    tree.messages_exist_before,
    tree.steps_can_be_reached,
    times.times_are_sound,
    references.list_is_known,
    references.conditions_fit,
    references.endpoints_are_known,
    gates.gates_can_be_asked,
    topics.topics_are_known,
    topics.topics_can_be_asked,
    topics.nobody_is_brought_back,
    references.exports_go_somewhere,
    references.files_exist,
    references.messages_are_whole,
    messages_can_be_made,
    values_are_asked_for,
)


@dataclass
class Checked:
    """
    What checking found: the problems by place, the texts they stand in, and which files were looked at.

    `campaigns` are those that have a shape.
    """

    problems: list[Problem] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    campaigns: list[Campaign] = field(default_factory=list)

    def add(self, other: Checked) -> None:
        """Put what was found elsewhere beside it."""
        self.problems = by_place([*self.problems, *other.problems])
        self.texts |= other.texts
        self.paths += other.paths
        self.campaigns += other.campaigns


@dataclass
class CheckedFile(Checked):
    """What checking one campaign file found, and the campaign where it has a shape."""

    file: CampaignFile | None = None
    files: ProjectFiles = field(kw_only=True)


Attributes = Mapping[str, Mapping[str, AttributeType]]


def check_file(path: Path, project: ProjectFile, attributes: Attributes) -> CheckedFile:
    """
    Check one campaign file against its project.

    *attributes* are those of each list, by name in small letters; nothing is
    said of attributes of a list that is not there.
    """
    try:
        content = path.read_bytes()
    except OSError as failure:
        name = str(path)
        trouble = Problem("C151", f"`{name}` cannot be read: {failure.strerror}", "check the path", file=name)
        return CheckedFile([trouble], {}, [name], files=_files_near(path, project))
    return check_content(path, content, project, attributes)


def check_content(path: Path, content: bytes, project: ProjectFile, attributes: Attributes) -> CheckedFile:
    """As `check_file`, for what is, or is to be, in the file."""
    name, files = str(path), _files_near(path, project)
    loaded = load_campaign(name, content)
    texts = {name: content.decode("utf-8-sig", "replace")}
    if not isinstance(loaded, CampaignFile):
        return CheckedFile(by_place(loaded), texts, [name], files=files)
    known = Known(project.project, attributes.get(loaded.campaign.list_name), files.read)
    problems = [problem for rule in RULES for problem in rule(loaded, known)]
    for template in {problem.file for problem in problems} - {name}:
        read = files.read(template)
        texts[template] = read.decode("utf-8-sig", "replace") if isinstance(read, bytes) else ""
    return CheckedFile(by_place(problems), texts, [name], [loaded.campaign], loaded, files=files)


def _files_near(path: Path, project: ProjectFile) -> ProjectFiles:
    return ProjectFiles(project.folder, path.resolve().parent)


def check_files(paths: Sequence[Path], project: ProjectFile, attributes: Attributes) -> Checked:
    """Check the campaign files of a project; two campaigns with one name are a problem too."""
    whole = Checked()
    names: dict[str, str] = {}
    for path in paths:
        checked = check_file(path, project, attributes)
        whole.add(checked)
        if checked.file is not None:
            name = checked.file.campaign.campaign
            if name in names:
                message = f"the campaign `{name}` is also in {names[name]}"
                problem = checked.file.problem("C207", ("campaign",), message, "give each its own name")
                whole.add(Checked([problem]))
            names.setdefault(name, str(path))
    return whole


def check_project(project: ProjectFile, campaigns: Iterable[Campaign] = ()) -> Checked:
    """What can be said of a project file beyond its shape, and what these *campaigns* lack in it: once for all."""
    problems = [problem for rule in PROJECT_RULES for problem in rule(project)]
    if any(map(is_bulk_mail, campaigns)):
        problems += contacts_can_leave_at_once(project)
    return Checked(by_place(problems), {project.source.name: project.source.text})


def campaign_files(paths: Sequence[Path]) -> list[Path]:
    """
    The files that *paths* name, and the campaign files below the folders among them; each once.

    Hidden folders hold other things: `.github` is no place for campaigns.
    """
    found: dict[Path, None] = {}
    for path in paths:
        below = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")]) if path.is_dir() else [path]
        for each in below:
            is_hidden = path.is_dir() and any(part.startswith(".") for part in each.relative_to(path).parts)
            if not is_hidden and each.name != PROJECT_FILE and not each.name.endswith((".test.yaml", ".test.yml")):
                found[each] = None
    return list(found)
