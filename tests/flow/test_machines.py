"""Machines among those who open and click; the traffic is made up from public descriptions of these programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaignctl.flow.machines import Hit, machines_among

AT = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


def hit(seconds: float = 0, link: int | None = 1, agent: str = FIREFOX, method: str = "GET", delay: float = 60) -> Hit:
    return Hit(AT + timedelta(seconds=seconds), method, agent, link, timedelta(seconds=delay))


@pytest.mark.parametrize(
    ("hits", "found"),
    [
        ([hit()], [False]),
        ([hit(link=None, agent=GMAIL)], [False]),
        ([hit(link=None, agent="Mozilla/5.0")], [True]),
        ([hit(agent="")], [True]),
        ([hit(agent="Barracuda Sentinel (EE)")], [True]),
        ([hit(delay=1.9), hit(delay=2)], [True, False]),
        ([hit(method="HEAD"), hit(3)], [True, True]),
        ([hit(method="HEAD", agent="Mozilla/5.0 Chrome/140"), hit(3)], [True, False]),
        ([hit(link=0), hit(599), hit(601)], [True, True, False]),
        ([hit(0, 1), hit(5, 2), hit(10, 3), hit(20, None)], [True, True, True, True]),
        ([hit(0, 1), hit(5, 2), hit(11, 3)], [False, False, False]),
        ([hit(0, 1), hit(1, 1), hit(2, 1)], [False, False, False]),
        ([hit(0, None), hit(1, None), hit(2, None)], [False, False, False]),
    ],
)
def test_machines_are_told_from_people(hits: list[Hit], found: list[bool]) -> None:
    assert machines_among(hits) == found
