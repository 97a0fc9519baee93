"""`campaignctl test`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import Annotated, Any

import typer

from campaignctl.cli.options import ProjectOption, command_app, project_folder, shown_path
from campaignctl.cli.screen import Style, say, styled
from campaignctl.cli.show import problem_text
from campaignctl.diagnostics import Problem, Severity
from campaignctl.errors import UsageError
from campaignctl.project import PROJECT_FILE, ProjectFile, load_project
from campaignctl.testing.run import FileResult, ScenarioResult, run_file, scenario_files

app = command_app()


class ResultFormat(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


@app.command()
def scenarios_command(
    paths: Annotated[list[Path], typer.Argument(help="Scenario files, or folders of them.")],
    wanted: Annotated[str, typer.Option("-k", metavar="WORD", help="Only scenarios with this in their name.")] = "",
    format_: Annotated[ResultFormat, typer.Option("--format", help="How to show it.")] = ResultFormat.TEXT,
    project: ProjectOption = None,
) -> None:
    """
    Run scenario files (`*.test.yaml`): given contacts and events, expect who gets what when.

    Each scenario plays in virtual time, in a store of its own, with the rules of
    the project and without a channel. docs/testing.md tells how they are written.

    Example: campaignctl test campaigns
    """
    for path in paths:
        if not path.exists():
            raise UsageError("C151", f"`{path}` cannot be read: there is no such file or folder", "check the path")
    files = scenario_files(paths)
    if not files:
        raise UsageError("U108", "there is no scenario file here", "name one like `spring-sale.test.yaml`")
    projects = {folder: _project(folder) for folder in {each: project_folder(project, each) for each in files}.values()}
    is_text = format_ is ResultFormat.TEXT
    results = []
    for file in files:
        if is_text:
            print(f"{shown_path(file)} ", end="", flush=True)
        opened = projects[project_folder(project, file)]
        results.append(
            _result(file, opened, lambda name: wanted.lower() in name.lower(), _dot if is_text else _nothing)
        )
        if is_text:
            print("" if not results[-1].problems else styled("E", Style.ERROR, sys.stdout))
    if sum(len(each.scenarios) for each in results) == 0 and not any(each.problems for each in results):
        raise UsageError("U108", f"no scenario has `{wanted}` in its name", "see the names in the files")
    {ResultFormat.TEXT: _show, ResultFormat.JSON: _show_json, ResultFormat.JUNIT: _show_junit}[format_](results)
    raise typer.Exit(1 if any(each.has_failed for each in results) else 0)


def _project(folder: Path) -> ProjectFile | list[Problem]:
    return load_project(folder, os.environ, shown_path(folder / PROJECT_FILE))


def _result(
    file: Path,
    project: ProjectFile | list[Problem],
    is_wanted: Callable[[str], bool],
    show: Callable[[ScenarioResult], None],
) -> FileResult:
    path = Path(shown_path(file))
    if isinstance(project, ProjectFile):
        return run_file(path, project, is_wanted, show)
    return FileResult(str(path), problems=project)


def _dot(result: ScenarioResult) -> None:
    mark = styled("F", Style.ERROR, sys.stdout) if result.has_failed else styled(".", Style.GOOD, sys.stdout)
    print(mark, end="", flush=True)


def _nothing(_result: ScenarioResult) -> None:
    """Only people watch the dots."""


def _show(results: Sequence[FileResult]) -> None:
    for each in results:
        for problem in each.problems:
            print(f"\n{problem_text(problem, each.texts.get(problem.file), sys.stdout)}")
        for scenario in each.scenarios:
            if scenario.problems:
                word = "failed" if scenario.has_failed else "warned"
                print(f"\n{word}: {scenario.name}")
            texts = [problem_text(problem, each.texts.get(problem.file), sys.stdout) for problem in scenario.problems]
            if texts:
                print("\n\n".join(texts))
    scenarios = [scenario for each in results for scenario in each.scenarios]
    failed = sum(scenario.has_failed for scenario in scenarios)
    unread = sum(bool(each.problems) for each in results)
    parts = [f"{len(scenarios) - failed} passed", f"{failed} failed"]
    if unread:
        parts.append(f"{unread} {'files' if unread > 1 else 'file'} with errors")
    if warnings := sum(_warnings(scenario) for scenario in scenarios):
        parts.append(f"{warnings} {'warnings' if warnings > 1 else 'warning'}")
    print(f"\n{', '.join(parts)}")
    if failed or unread:
        say("Mend the campaign or what is expected of it, and run campaignctl test again.")


def _warnings(scenario: ScenarioResult) -> int:
    return sum(problem.severity is Severity.WARNING for problem in scenario.problems)


def _show_json(results: Sequence[FileResult]) -> None:
    scenarios = [scenario for each in results for scenario in each.scenarios]
    failed = sum(scenario.has_failed for scenario in scenarios)
    document: dict[str, Any] = {
        "version": 1,
        "ok": not any(each.has_failed for each in results),
        "passed": len(scenarios) - failed,
        "failed": failed,
        "warnings": sum(map(_warnings, scenarios)),
        "scenarios": [
            {
                "file": scenario.file,
                "name": scenario.name,
                "ok": not scenario.has_failed,
                "problems": list(map(_fields, scenario.problems)),
            }
            for scenario in scenarios
        ],
        "problems": [_fields(problem) for each in results for problem in each.problems],
    }
    print(json.dumps(document, ensure_ascii=False, indent=2))


def _fields(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
        "file": problem.file,
        "line": problem.span.line,
        "column": problem.span.column,
    }


def _show_junit(results: Sequence[FileResult]) -> None:
    lines = []
    failed = 0
    for each in results:
        cases = [(scenario.name, scenario.problems, scenario.has_failed) for scenario in each.scenarios]
        if each.problems:
            cases.append((each.file, each.problems, True))
        for name, problems, has_failed in cases:
            failed += has_failed
            text = escape("\n\n".join(problem_text(one, each.texts.get(one.file)) for one in problems), quote=False)
            inside = ""
            if has_failed:
                inside = f'<failure message="{escape(problems[0].message)}">{text}</failure>'
            elif problems:
                inside = f"<system-out>{text}</system-out>"
            lines.append(f'  <testcase classname="{escape(each.file)}" name="{escape(name)}">{inside}</testcase>')
    head = f'<testsuite name="campaignctl test" tests="{len(lines)}" failures="{failed}">'
    print("\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *lines, "</testsuite>"]))
