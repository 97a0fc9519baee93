"""Running scenario files: every scenario in a world of its own, and what was not as expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from campaignctl.campaign.source import Path as Place
from campaignctl.campaign.steps.union import every_step
from campaignctl.campaign.version import Version
from campaignctl.diagnostics import Problem, Severity, did_you_mean, has_errors
from campaignctl.errors import CampaignctlError, RefusedError
from campaignctl.files import FileTrouble, ProjectFiles
from campaignctl.message.sandbox import RenderError
from campaignctl.project import Project, ProjectFile
from campaignctl.proposing import next_occurrence, refuse_without_request
from campaignctl.publishing import frozen
from campaignctl.rehearsal import audience
from campaignctl.testing.expectations import disappointments
from campaignctl.testing.scenario import Expectation, Happening, Scenario, Scenarios, load_scenarios
from campaignctl.testing.stage import Stage, staged
from campaignctl.validation import check_file
from campaignctl.wiring import store_path, store_to_look_at

ENDINGS = (".test.yaml", ".test.yml")


@dataclass(frozen=True)
class ScenarioResult:
    """What came of one scenario: problems at their places in the file; it failed where one of them is an error."""

    file: str
    name: str
    problems: Sequence[Problem] = ()

    @property
    def has_failed(self) -> bool:
        return has_errors(self.problems)


@dataclass
class FileResult:
    """What came of the scenarios of one file; `problems` are those of the file itself, or of its campaign."""

    file: str
    texts: dict[str, str] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    scenarios: list[ScenarioResult] = field(default_factory=list)

    @property
    def has_failed(self) -> bool:
        return has_errors(self.problems) or any(each.has_failed for each in self.scenarios)


def scenario_files(paths: Sequence[Path]) -> list[Path]:
    """The files that *paths* name, and the scenario files below the folders among them; each once."""
    found: dict[Path, None] = {}
    for path in paths:
        below = sorted(each for ending in ENDINGS for each in path.rglob(f"*{ending}")) if path.is_dir() else [path]
        for each in below:
            is_hidden = path.is_dir() and any(part.startswith(".") for part in each.relative_to(path).parts)
            if not is_hidden:
                found[each] = None
    return list(found)


def run_file(
    path: Path, project: ProjectFile, is_wanted: Callable[[str], bool], show: Callable[[ScenarioResult], None]
) -> FileResult:
    """Run the scenarios of a file whose names are wanted; *show* is told of each."""
    name = str(path)
    result = FileResult(name)
    try:
        content = path.read_bytes()
    except OSError as failure:
        result.problems = [Problem("C151", f"`{name}` cannot be read: {failure.strerror}", "check the path", file=name)]
        return result
    result.texts[name] = content.decode("utf-8-sig", "replace")
    loaded = load_scenarios(name, content)
    if not isinstance(loaded, Scenarios):
        result.problems = loaded
        return result
    files = ProjectFiles(project.folder, path.resolve().parent)
    campaign = files.read(loaded.file.campaign)
    if isinstance(campaign, FileTrouble):
        result.problems = [loaded.problem("C220", ("campaign",), campaign.message, campaign.hint)]
        return result
    checked = check_file(path.parent / loaded.file.campaign, project, {})
    result.texts |= checked.texts
    if checked.file is None or has_errors(checked.problems):
        result.problems = checked.problems
        return result
    version = frozen(checked.file, project.project, checked.files)
    result.problems = [*_unknown_steps(loaded, version), *_unknown_topics(loaded, project.project)]
    if result.problems:
        return result
    for number, scenario in enumerate(loaded.file.scenarios):
        if is_wanted(scenario.name):
            played = _Play(loaded, ("scenarios", number), scenario, version, project, files, path.parent)
            result.scenarios.append(ScenarioResult(name, scenario.name, played.problems()))
            show(result.scenarios[-1])
    return result


def _unknown_topics(loaded: Scenarios, project: Project) -> Iterator[Problem]:
    """Topics that a scenario names have to be some of the project."""
    for number, scenario in enumerate(loaded.file.scenarios):
        for place, happening in enumerate(scenario.happens):
            if happening.left is not None and happening.left not in project.topics:
                hint = did_you_mean(happening.left, project.topics, "declare it below `topics:` in campaignctl.yaml")
                path: Place = ("scenarios", number, "happens", place, "left")
                yield loaded.problem("C430", path, f"the project has no topic `{happening.left}`", hint)


def _unknown_steps(loaded: Scenarios, version: Version) -> Iterator[Problem]:
    """Steps that a scenario names have to be some of the campaign."""
    known = [step.id for step in every_step(version.campaign.steps)]
    for number, scenario in enumerate(loaded.file.scenarios):
        here: Place = ("scenarios", number)
        named = [
            ((*here, "happens", place, happening.event[0]), happening.event[1])
            for place, happening in enumerate(scenario.happens)
            if happening.event is not None
        ]
        named += [
            ((*here, "happens", place, "gate"), happening.gate)
            for place, happening in enumerate(scenario.happens)
            if happening.gate is not None
        ]
        named += [
            ((*here, "expect", place, "step"), wanted.step)
            for place, wanted in enumerate(scenario.expect)
            if wanted.step is not None
        ]
        for path, step in named:
            if step not in known:
                hint = did_you_mean(step, known, "see the campaign's file")
                yield loaded.problem("P136", path, f"the campaign has no step `{step}`", hint)


@dataclass
class _Play:
    """One scenario as it is played."""

    loaded: Scenarios
    path: Place
    scenario: Scenario
    version: Version
    project: ProjectFile
    files: ProjectFiles
    folder: Path
    found: list[Problem] = field(default_factory=list)

    def problems(self) -> list[Problem]:
        """Everything that was not as expected."""
        zone = self.version.zone
        answered = {happening.gate for happening in self.scenario.happens if happening.gate is not None}
        with staged(self.project.project, self._begins, self.loaded.file.seed, answered) as stage:
            if self._is_published(stage):
                self._go_through(stage, sorted(self._agenda(), key=lambda each: each[0]))
                self._pass_time(stage, None if self.scenario.until is None else self.scenario.until.at(zone))
                for place, wanted in enumerate(self.scenario.expect):
                    if wanted.by is None:
                        self._compare(stage, place, wanted)
        return self.found

    @property
    def _begins(self) -> datetime:
        return (self.scenario.clock or self.loaded.file.clock).at(self.version.zone)

    def _is_published(self, stage: Stage) -> bool:
        try:
            contacts = self.scenario.contacts if self.scenario.contacts is not None else self.loaded.file.contacts
            if contacts is not None:
                self._import(stage, contacts)
            refuse_without_request(self.version)
            # Of a recurring campaign its next occurrence is played, alone.
            self.version = next_occurrence(self.version, self._begins)
            stage.publish(self.version)
        except CampaignctlError as failure:
            self._refused(failure, self.scenario.refused, (*self.path, "refused"), ("campaign",))
            # What is expected of the audience can still be looked at.
            return failure.code == self.scenario.refused
        if self.scenario.refused is not None:
            self._complain((*self.path, "refused"), f"publishing: expected {self.scenario.refused}, not refused")
        return True

    def _agenda(self) -> Iterator[tuple[datetime, Callable[[Stage], None]]]:
        zone = self.version.zone
        for place, happening in enumerate(self.scenario.happens):
            yield (
                happening.at.at(zone),
                lambda stage, place=place, happening=happening: self._do(  # type: ignore[misc] # bound now
                    stage, place, happening
                ),
            )
        for place, wanted in enumerate(self.scenario.expect):
            if wanted.by is not None:
                yield (
                    wanted.by.at(zone),
                    lambda stage, place=place, wanted=wanted: self._compare(  # type: ignore[misc] # bound now
                        stage, place, wanted
                    ),
                )

    def _go_through(self, stage: Stage, agenda: Sequence[tuple[datetime, Callable[[Stage], None]]]) -> None:
        for at, deed in agenda:
            self._pass_time(stage, at)
            deed(stage)

    def _pass_time(self, stage: Stage, end: datetime | None) -> None:
        try:
            stage.pass_time(end)
        except RenderError as failure:
            self._complain(self.path, f"a `set` step cannot be carried out: {failure}")

    def _do(self, stage: Stage, place: int, happening: Happening) -> None:
        path = (*self.path, "happens", place)
        campaign = self.version.name
        try:
            if happening.event is not None:
                what, step = happening.event
                more: dict[str, Any] = {
                    "machine": happening.machine,
                    "hard": happening.hard,
                    "url": happening.url or "",
                    "value": happening.value,
                    "currency": happening.currency,
                }
                stage.bring_events(campaign, what, step, happening.contacts, **more)
            elif happening.left is not None:
                stage.leave_topic(self.version, happening.left, happening.contacts)
            elif happening.import_ is not None:
                self._import(stage, happening.import_)
            elif happening.gate is not None:
                stage.answer_gate(campaign, happening.gate, happening.reject, happening.properties)
            elif happening.run is not None:
                stage.run(happening.run, campaign)
            elif happening.publish is not None:
                self._publish(stage, happening.publish, (*path, "publish"))
            else:
                stage.suppress(happening.suppress)
        except CampaignctlError as failure:
            self._refused(failure, happening.refused, (*path, "refused"), path)
        else:
            if happening.refused is not None:
                self._complain((*path, "refused"), f"expected {happening.refused}, not refused")

    def _publish(self, stage: Stage, file: str, path: Place) -> None:
        read = self.files.read(file)
        if isinstance(read, FileTrouble):
            self.found.append(self.loaded.problem("C220", path, read.message, read.hint))
            return
        checked = check_file(self.folder / file, self.project, {})
        if checked.file is None or has_errors(checked.problems):
            self._complain(path, f"`{file}` has errors", "run `campaignctl validate` on it")
            return
        version = frozen(checked.file, self.project.project, checked.files)
        stage.publish(next_occurrence(version, self._begins))

    def _import(self, stage: Stage, contacts: str | Sequence[Mapping[str, object]]) -> None:
        list_name = self.version.campaign.list_name
        if not isinstance(contacts, str):
            stage.import_contacts(list_name, contacts)
            return
        read = self.files.read(contacts)
        if isinstance(read, FileTrouble):
            raise RefusedError("C220", read.message, read.hint)
        stage.import_contacts(list_name, self.folder / contacts)

    def _refused(self, failure: CampaignctlError, wanted: str | None, at_code: Place, otherwise: Place) -> None:
        if wanted == failure.code:
            return
        said = f"{failure.code}: {failure.message}"
        if wanted is None:
            self._complain(otherwise, said, failure.hint)
        else:
            self._complain(at_code, f"expected {wanted}, actual {said}")

    def _compare(self, stage: Stage, place: int, wanted: Expectation) -> None:
        campaign = stage.campaign(self.version.name)

        def count(of: str) -> int:
            return self._count_in_store(stage) if of == "store" else self._count(stage)

        for each in disappointments(wanted, campaign, self.version, stage, count):
            path = (*self.path, "expect", place, each.key)
            if each.key == "audience" and each.is_warning:
                path = (*path, "warn_if")
            message = f"{each.what}: expected {each.expected}, actual {each.actual}"
            self._complain(path, message, severity=Severity.WARNING if each.is_warning else Severity.ERROR)

    def _count(self, stage: Stage) -> int:
        with stage.store.reading() as ledger:
            return audience(ledger, self.version, stage.clock.now(), 0).count

    def _count_in_store(self, stage: Stage) -> int:
        with store_to_look_at(store_path(self.project, None)) as store, store.reading() as ledger:
            return audience(ledger, self.version, stage.clock.now(), 0).count

    def _complain(self, path: Place, message: str, hint: str = "", severity: Severity = Severity.ERROR) -> None:
        self.found.append(replace(self.loaded.problem("P137", path, message, hint), severity=severity))
