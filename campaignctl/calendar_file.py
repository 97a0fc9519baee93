"""The agenda as an iCalendar file (RFC 5545), for calendars of people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from icalendar import Calendar, Event

from campaignctl import __version__
from campaignctl.agenda import Entry

_LENGTH: Final = timedelta(minutes=15)  # an event without one is shown as nothing by many programs


def calendar_file(entries: Iterable[Entry], project: str, now: datetime) -> bytes:
    """
    One event for each step.

    Its UID is made of project, campaign and step, so that a calendar that
    reads the file again moves an event and does not double it.
    """
    calendar = Calendar()
    calendar.add("prodid", f"-//campaignctl//{__version__}//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"Campaigns of {project}")
    for entry in entries:
        event = Event()
        event.add("uid", f"{entry.step}/{entry.campaign}@{project}")
        event.add("dtstamp", now)
        event.add("dtstart", entry.at)
        event.add("duration", _LENGTH)
        event.add("summary", f"{entry.campaign}: {entry.step} ({entry.verb})")
        event.add("description", "\n".join(_told(entry)))
        event.add("status", "CANCELLED" if entry.state in ("cancelled", "skipped") else "CONFIRMED")
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _told(entry: Entry) -> Iterable[str]:
    if entry.title:
        yield entry.title
    yield f"The campaign is {entry.campaign_state}, the step {entry.state}."
    for conflict in entry.conflicts:
        yield f"Conflict: `{conflict.campaign}/{conflict.step}` writes to {conflict.contacts} of the same contacts."
