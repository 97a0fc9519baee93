"""Problems as other programs read them: JSON, CI annotations, code quality, SARIF, JUnit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from html import escape
from typing import Any

from campaignctl.cli.show import counted, problem_text
from campaignctl.diagnostics import Problem, Severity, has_errors
from campaignctl.validation import Checked


class ProblemFormat(StrEnum):
    """How problems are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"
    SARIF = "sarif"
    JUNIT = "junit"


def rendered(checked: Checked, form: ProblemFormat) -> str:
    """What was found, in one of the forms."""
    match form:
        case ProblemFormat.JSON:
            return _json(_json_document(checked))
        case ProblemFormat.GITHUB:
            return "\n".join(map(_github, checked.problems))
        case ProblemFormat.GITLAB:
            return _json([_gitlab(problem) for problem in checked.problems])
        case ProblemFormat.SARIF:
            return _json(_sarif(checked.problems))
        case ProblemFormat.JUNIT:
            return _junit(checked)
        case ProblemFormat.TEXT:
            return _text(checked)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _text(checked: Checked) -> str:
    parts = [problem_text(problem, checked.texts.get(problem.file)) for problem in checked.problems]
    files = f"{len(checked.paths)} file{'' if len(checked.paths) == 1 else 's'}"
    end = f"{counted(checked.problems)} in {files}."
    if has_errors(checked.problems):
        end += " Fix the errors and run campaignctl validate again."
    return "\n\n".join([*parts, end])


def _json_document(checked: Checked) -> Mapping[str, Any]:
    return {
        "version": 1,
        "ok": not has_errors(checked.problems),
        "files": len(checked.paths),
        "problems": [
            {
                "code": problem.code,
                "severity": problem.severity,
                "message": problem.message,
                "hint": problem.hint,
                "file": problem.file,
                "line": problem.span.line,
                "column": problem.span.column,
                "end_line": problem.span.end_line,
                "end_column": problem.span.end_column,
                "step": problem.step,
            }
            for problem in checked.problems
        ],
    }


def _github(problem: Problem) -> str:
    """
    A workflow command; the signs that would end it are written as it asks.
    """

    def data(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    def value(text: object) -> str:
        return data(str(text)).replace(":", "%3A").replace(",", "%2C")

    span = problem.span
    fields = {
        "file": problem.file,
        "line": span.line,
        "col": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
        "title": problem.code,
    }
    written = ",".join(f"{name}={value(each)}" for name, each in fields.items())
    return f"::{problem.severity} {written}::{data(_with_hint(problem))}"


def _with_hint(problem: Problem) -> str:
    return f"{problem.message}\n{problem.hint}" if problem.hint else problem.message


def _gitlab(problem: Problem) -> Mapping[str, Any]:
    identity = f"{problem.code}\0{problem.file}\0{problem.step}\0{problem.message}"
    return {
        "description": problem.message,
        "check_name": problem.code,
        "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
        "severity": "major" if problem.severity is Severity.ERROR else "minor",
        "location": {"path": problem.file, "lines": {"begin": problem.span.line}},
    }


def _sarif(problems: Sequence[Problem]) -> Mapping[str, Any]:
    codes = sorted({problem.code for problem in problems})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "campaignctl", "rules": [{"id": code} for code in codes]}},
                "results": [
                    {
                        "ruleId": problem.code,
                        "ruleIndex": codes.index(problem.code),
                        "level": str(problem.severity),
                        "message": {"text": _with_hint(problem)},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {"uri": problem.file},
                                    "region": {
                                        "startLine": problem.span.line,
                                        "startColumn": problem.span.column,
                                        "endLine": problem.span.end_line,
                                        "endColumn": max(problem.span.end_column, 1),
                                    },
                                }
                            }
                        ],
                    }
                    for problem in problems
                ],
            }
        ],
    }


def _junit(checked: Checked) -> str:
    """One test case for each file; its problems make it fail."""
    names = list(dict.fromkeys([*checked.paths, *(problem.file for problem in checked.problems)]))
    failed = 0
    cases = []
    for name in names:
        found = [problem for problem in checked.problems if problem.file == name]
        failed += has_errors(found)
        text = escape("\n\n".join(problem_text(problem, checked.texts.get(name)) for problem in found), quote=False)
        inside = ""
        if has_errors(found):
            inside = f'<failure message="{escape(counted(found))}">{text}</failure>'
        elif found:
            inside = f"<system-out>{text}</system-out>"
        cases.append(f'  <testcase classname="campaignctl.validate" name="{escape(name)}">{inside}</testcase>')
    head = f'<testsuite name="campaignctl validate" tests="{len(names)}" failures="{failed}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>"])
