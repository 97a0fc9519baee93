"""The workflows of the CI pages: sound by their systems' schemas, and their scripts do what the pages say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "ci"
BIN = Path(sys.executable).parent


def workflow(page: str) -> str:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", (PAGES / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return str(block)


@pytest.mark.parametrize(
    ("page", "options"),
    [
        ("github.md", ["--builtin-schema", "vendor.github-workflows"]),
        ("github.md", ["--builtin-schema", "custom.github-workflows-require-timeout"]),
        ("gitlab.md", ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
    ],
)
def test_a_workflow_is_sound(tmp_path: Path, page: str, options: list[str]) -> None:
    file = tmp_path / "workflow.yml"
    file.write_text(workflow(page), "utf-8")
    done = subprocess.run([BIN / "check-jsonschema", *options, file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def scripts(page: str) -> dict[str, list[str]]:
    """What each job runs, but for what brings the program and the code."""
    jobs: dict[str, Any] = yaml.safe_load(workflow(page))
    jobs = jobs.get("jobs", {name: job for name, job in jobs.items() if isinstance(job, dict) and "script" in job})
    return {
        name: job["script"] if "script" in job else [step["run"] for step in job["steps"] if "run" in step]
        for name, job in jobs.items()
    }


class Repository:
    """A project in a folder, as a runner has checked it out, with a store beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.store = folder / "store.db"
        shutil.copytree(ROOT / "examples" / "launch", self.folder)
        self.campaign = self.folder / "campaigns" / "spring-sale.yaml"
        # Still to come, whenever this is run.
        for file in self.campaign.parent.iterdir():
            file.write_text(file.read_text("utf-8").replace("2026-", "2096-"), "utf-8")
        # What the scripts call beside us and the shell: writes down what it was asked.
        self.asked = folder / "asked.txt"
        for name in ("gh", "curl"):
            program = folder / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.asked}"\n')
            program.chmod(0o755)
        self.run("campaignctl contacts import customers contacts.csv --store $STORE")

    def change(self, before: str, after: str) -> None:
        text = self.campaign.read_text("utf-8")
        assert before in text
        self.campaign.write_text(text.replace(before, after), "utf-8")

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PATH": f"{BIN}:{self.folder.parent}:{os.environ['PATH']}",
            "STORE": str(self.store),
            "NUMBER": "7",
        }
        return subprocess.run(
            ["/bin/sh", "-ec", script], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )

    def job(self, page: str, name: str) -> int:
        """The exit code of the first script of a job that fails."""
        for script in scripts(page)[name]:
            if not script.startswith("pip install"):
                done = self.run(script)
                assert "Traceback" not in done.stderr
                if done.returncode:
                    return done.returncode
        return 0


@pytest.mark.parametrize("page", ["github.md", "gitlab.md"])
def test_a_pull_request_is_checked_and_planned_and_a_merge_published(page: str, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    assert repository.job(page, "check") == 0
    assert repository.job(page, "plan") == 0
    assert "plan.md" in repository.asked.read_text()
    assert "invitation" in (repository.folder / "plan.md").read_text("utf-8")
    assert "spring-sale" not in repository.run("campaignctl list --store $STORE").stdout
    assert repository.job(page, "publish") == 0
    assert "spring-sale" in repository.run("campaignctl list --store $STORE").stdout
    # A merge that changes no campaign publishes nothing anew.
    assert repository.job(page, "publish") == 0
    assert repository.run("campaignctl history spring-sale --store $STORE").stdout.count("published") == 1


@pytest.mark.parametrize("page", ["github.md", "gitlab.md"])
def test_what_is_wrong_fails_its_job(page: str, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.change("email:", "emial:")
    assert repository.job(page, "check") == 1


@pytest.mark.parametrize("page", ["github.md", "gitlab.md"])
def test_a_change_that_cannot_be_made_fails_the_plan_and_the_merge(page: str, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    assert repository.job(page, "publish") == 0
    repository.run("campaignctl stop spring-sale --yes --store $STORE")
    repository.change("our spring sale is open", "our spring sale is closed")
    assert repository.job(page, "plan") == 3
    assert repository.job(page, "publish") == 3


def test_the_hooks_of_pre_commit_run(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert {hook["id"] for hook in hooks} == set(re.findall(r"- id: (\S+)", workflow("pre-commit.md")))
    for hook in hooks:
        assert repository.run(" ".join([hook["entry"], *hook["args"]])).returncode == 0
        assert re.search(hook["files"], "campaigns/spring-sale.yaml")
        assert re.search(hook["files"], "emails/thanks.md")


def test_the_exit_codes_are_those_of_the_program() -> None:
    from campaignctl import errors

    told = {int(code) for code in re.findall(r"^\| (\d+) \|", (PAGES / "README.md").read_text("utf-8"), re.MULTILINE)}
    raised = {each.exit_code for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "exit_code")}
    assert raised <= told
