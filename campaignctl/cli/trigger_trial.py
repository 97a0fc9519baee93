"""What a request would come to, as people read it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from campaignctl.campaign.when import wall_text
from campaignctl.cli.screen import say
from campaignctl.cli.show import table
from campaignctl.triggering import Trial, as_json

_SHOWN = 20


def show_trial(trial: Trial, file: Path) -> None:
    """Print which rows can be taken, and what would start when."""
    brought, name, rejected = trial.brought, trial.brought.campaign.name, trial.rejections.count
    if rejected:
        _show_rejections(trial)
        print()
    print(f"{_counted(trial.read, 'row')}: {trial.accepted} accepted, {rejected} rejected.")
    if rejected:
        print("Nothing would be started. Without the rejected rows:")
    print(f"`{name}` would start with {_counted(brought.members, 'member')}.")
    print(f"{_counted(brought.contacts.added, 'contact')} would be added, {brought.contacts.changed} changed.")
    if brought.left_out:
        print(f"{_counted(brought.left_out, 'contact')} would take no part: see the project's own `segment`.")
    zone = trial.zone
    print(f"\nTimes are those of {zone.key}.\n")

    def local(at: datetime | None) -> str:
        return "at once" if at is None else wall_text(at.replace(microsecond=0), zone)

    table(
        ["step", "verb", "runs"],
        [(step.name, step.verb, local(step.at and step.effective_at)) for step in brought.campaign.steps],
    )
    next_step = f"mend {file}, and try again" if rejected else f"campaignctl trigger {name} {file}"
    say(f"\nNothing was changed. Next: {next_step}")


def _show_rejections(trial: Trial) -> None:
    table(["reason", "rows"], [(reason.value, count) for reason, count in trial.rejections.by_reason.most_common()])
    print()
    rows = trial.rejections.rows[:_SHOWN]
    table(["line", "id", "reason", "detail"], [list(as_json(row).values()) for row in rows])
    if trial.rejections.count > len(rows):
        print(f"… and {trial.rejections.count - len(rows)} more")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
