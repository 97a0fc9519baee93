"""The table of live edits: what of a published campaign may change, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from campaignctl.campaign.load import CampaignFile, load_campaign
from campaignctl.campaign.steps.union import every_step
from campaignctl.campaign.version import Version, files_named_by, version_of
from campaignctl.flow.changes import Change, ChangeKind
from campaignctl.flow.edits import Standing, edits
from campaignctl.flow.states import CampaignState
from campaignctl.project import Project

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
PROJECT: dict[str, Any] = {
    "project": "shop",
    "timezone": "Europe/Paris",
    "sender": "Shop <news@shop.example>",
    "postal_address": "Paris",
    "lists": {"customers": {"key": "id", "email": "email"}, "others": {"key": "id", "email": "email"}},
    "segments": {"french": {"attribute": "country", "eq": "FR"}, "vip": {"attribute": "vip", "eq": True}},
}

# The first step is over; members are at `second`.
TRUNK = """
campaign: sale
list: customers
starter: {segment: french}
steps:
  - {id: first, at: 2026-12-01 10:00, email: {subject: One, body: first.md}}
  - {id: second, at: 2026-12-02 10:00, email: {subject: Two, body: second.md, rate: 10/s}}
  - {id: third, at: 2026-12-03 10:00, email: {subject: Three, body: third.md}}
  - {id: fourth, at: 2026-12-04 10:00, set: {engaged: true}}
"""

# The split is over: members are at `thank`, and those of the rest at `last`.
TREE = """
campaign: sale
list: customers
starter: {segment: french}
steps:
  - {id: first, at: 2026-12-01 10:00, email: {subject: One, body: first.md}}
  - id: reaction
    at: 2026-12-01 11:00
    split:
      by: engagement
      of: first
      branches:
        - name: clicked
          when: clicked
          steps:
            - {id: thank, at: 2026-12-02 10:00, email: {subject: Thanks, body: thank.md}}
            - {id: mark, at: 2026-12-02 11:00, set: {engaged: true}}
        - {name: rest}
  - {id: last, at: 2026-12-03 10:00, email: {subject: Last, body: last.md}}
  - {id: farewell, at: 2026-12-04 10:00, email: {subject: Farewell, body: farewell.md}}
"""

# Like it, with nothing after the split, and with a second split to come in one of its branches.
OPEN = """
campaign: sale
list: customers
starter: {segment: french}
steps:
  - {id: first, at: 2026-12-01 10:00, email: {subject: One, body: first.md}}
  - id: half
    at: 2026-12-02 10:00
    split:
      by: random
      branches:
        - {name: a, share: 50%, steps: [{id: only-a, at: 2026-12-02 11:00, email: {subject: A, body: a.md}}]}
        - {name: b, share: 50%, steps: [{id: only-b, at: 2026-12-02 12:00, email: {subject: B, body: b.md}}]}
  - {id: last, at: 2026-12-05 10:00, email: {subject: Last, body: last.md}}
"""


def version(text: str, files: Mapping[str, str] | None = None, **project: object) -> Version:
    loaded = load_campaign("sale.yaml", text.encode())
    assert isinstance(loaded, CampaignFile), loaded
    contents = dict.fromkeys(files_named_by(loaded.campaign), b"Hello")
    contents |= {path: content.encode() for path, content in (files or {}).items()}
    return version_of(loaded.campaign, Project.model_validate(PROJECT | project), contents)


def standing(begun: Sequence[str] = (), state: CampaignState = CampaignState.ACTIVE, **former: str) -> Standing:
    return Standing(state, bool(begun), frozenset(begun), former)


AFTER_FIRST = standing(["first"])
PAUSED = replace(AFTER_FIRST, state=CampaignState.PAUSED)
AFTER_SPLIT = standing(["first", "reaction"])
NOT_STARTED = standing()


def changed(live: str, old: str, new: str, where: Standing) -> list[Change]:
    assert old in live
    return edits(version(live), version(live.replace(old, new)), where, NOW)


def told(changes: Sequence[Change]) -> list[str]:
    """What a test compares: step, kind and field, and whether it asks for a pause."""
    return [f"{each.step} {each.kind} {each.field}{' asks' if each.asks_first else ''}" for each in changes]


def line(text: str, step: str) -> str:
    return next(f"{each}\n" for each in text.splitlines() if f"{{id: {step}," in each)


NEW = "  - {id: new, at: 2026-12-02 10:00, email: {subject: New, body: new.md}}\n"


def test_a_file_that_only_orders_its_keys_anew_changes_nothing() -> None:
    second = "{id: second, at: 2026-12-02 10:00, email: {subject: Two, body: second.md, rate: 10/s}}"
    other = "{email: {rate: 10/s, body: second.md, subject: Two}, at: 2026-12-02 10:00, id: second}"
    assert changed(TRUNK, second, other, AFTER_FIRST) == []


def test_the_short_form_and_the_full_form_of_a_campaign_are_the_same() -> None:
    short = "campaign: one\nlist: customers\nsegment: french\nat: 2026-12-02 10:00\nemail: {subject: S, body: s.md}\n"
    full = (
        "campaign: one\nlist: customers\nstarter: {segment: {segment: french}}\n"
        "steps: [{id: one, at: 2026-12-02 10:00, email: {subject: S, body: s.md}}]\n"
    )
    assert edits(version(short), version(full), NOT_STARTED, NOW) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # content of a step that has not begun
        ("subject: Three", "subject: 3", "third content subject"),
        ("subject: Two", "subject: 2", "second content subject"),
        ("{engaged: true}", "{engaged: false}", "fourth content set.engaged"),
        ("body: third.md", "body: other.md", "third content body"),
        # its time and rate
        ("2026-12-03 10:00", "2026-12-03 12:00", "third schedule at"),
        ("body: third.md", "body: third.md, rate: 5/s", "third schedule rate"),
        ("body: third.md", 'body: third.md, window: "09:00-18:00"', "third schedule window"),
        ("{id: third,", "{id: third, if_late: skip,", "third schedule if_late"),
        # those of the step where members are
        ("2026-12-02 10:00", "2026-12-02 12:00", "second schedule at asks"),
        ("rate: 10/s", "rate: 20/s", "second schedule rate asks"),
        ("email: {subject: Two, body: second.md, rate: 10/s}", "set: {seen: true}", "second structure verb asks"),
        # structure of steps that are not reached
        (line(TRUNK, "third"), line(TRUNK, "third") + NEW.replace("-02", "-03"), "new structure step asks"),
        (line(TRUNK, "third"), "", "third structure step asks"),
        ("email: {subject: Three, body: third.md}", "set: {seen: true}", "third structure verb asks"),
        # what has begun
        ("subject: One", "subject: 1", "first refused subject"),
        ("2026-12-01 10:00", "2026-12-02 09:00", "first refused at"),
        (line(TRUNK, "first"), "", "first refused step"),
        ("{id: first,", "{id: first, title: The first,", "first refused title"),
        ("email: {subject: One, body: first.md}", "set: {seen: true}", "first refused verb"),
        # the place of the step where members are
        (line(TRUNK, "second"), NEW + line(TRUNK, "second"), "new refused step"),
        (line(TRUNK, "second"), "", "second refused step"),
        # before what has begun
        (line(TRUNK, "first"), NEW + line(TRUNK, "first"), "new refused step"),
        # the campaign's own
        ("{segment: french}", "{segment: vip}", "None refused starter"),
        ("list: customers", "list: others", "None refused list"),
        ("list: customers", "list: customers\ntitle: Sale", "None content title"),
        ("list: customers", "list: customers\nif_late: skip", "None schedule if_late"),
    ],
)  # fmt: skip
def test_each_row_of_the_table_while_the_campaign_is_active(old: str, new: str, expected: str) -> None:
    changes = told(changed(TRUNK, old, new, AFTER_FIRST))
    assert expected in changes
    assert len(changes) == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2026-12-02 10:00", "2026-12-02 12:00", "second schedule at"),
        (line(TRUNK, "third"), "", "third structure step"),
        ("subject: One", "subject: 1", "first refused subject"),
        (line(TRUNK, "second"), NEW + line(TRUNK, "second"), "new refused step"),
        (line(TRUNK, "second"), "", "second refused step"),
        ("{segment: french}", "{segment: vip}", "None refused starter"),
    ],
)
def test_a_pause_is_all_that_structure_asks_for_and_gives_no_other_right(old: str, new: str, expected: str) -> None:
    assert told(changed(TRUNK, old, new, PAUSED)) == [expected]


@pytest.mark.parametrize("old", ["subject: One", "subject: Three", line(TRUNK, "third")])
def test_nothing_of_a_stopped_campaign_changes(old: str) -> None:
    stopped = replace(AFTER_FIRST, state=CampaignState.STOPPED)
    assert {each.kind for each in changed(TRUNK, old, "" if "id:" in old else "subject: X", stopped)} == {
        ChangeKind.REFUSED
    }


def test_before_the_start_everything_may_change() -> None:
    assert told(changed(TRUNK, "{segment: french}", "{segment: vip}", NOT_STARTED)) == ["None structure starter asks"]
    assert told(changed(TRUNK, "list: customers", "list: others", NOT_STARTED)) == ["None structure list asks"]
    assert told(changed(TRUNK, line(TRUNK, "second"), "", NOT_STARTED)) == ["second structure step asks"]
    assert told(changed(TRUNK, "2026-12-02 10:00", "2026-12-02 12:00", NOT_STARTED)) == ["second schedule at"]


def test_another_zone_is_another_time_for_every_step_and_is_refused_after_the_start() -> None:
    with_zone = TRUNK.replace("list:", "timezone: Europe/London\nlist:")
    before_start = edits(version(TRUNK), version(with_zone), NOT_STARTED, datetime(2026, 11, 1, tzinfo=UTC))
    assert told(before_start)[0] == "None schedule timezone"
    assert [each.field for each in before_start[1:]] == ["at"] * 4
    changes = edits(version(TRUNK), version(with_zone), AFTER_FIRST, NOW)
    assert "None refused timezone" in told(changes)


def test_the_projects_zone_written_into_the_campaign_is_no_change() -> None:
    assert changed(TRUNK, "list:", "timezone: Europe/Paris\nlist:", AFTER_FIRST) == []


def test_the_same_instant_written_in_another_way_is_no_change() -> None:
    assert changed(TRUNK, "at: 2026-12-03 10:00", "at: 2026-12-03T10:00+01:00", AFTER_FIRST) == []


def test_a_template_whose_content_changed_is_a_change_of_content_with_the_lines_that_differ() -> None:
    old, new = version(TRUNK, {"third.md": "Hello\nAda\nBye"}), version(TRUNK, {"third.md": "Hello\nGrace\nBye"})
    (change,) = edits(old, new, AFTER_FIRST, NOW)
    assert (change.step, change.kind, change.field) == ("third", ChangeKind.CONTENT, "body")
    assert (change.before, change.after) == ("Ada", "Grace")
    assert change.diff == ("@@ -1,3 +1,3 @@", " Hello", "-Ada", "+Grace", " Bye")
    assert change.reason == "the content of `third.md`"


def test_of_a_template_that_is_all_different_only_the_first_lines_are_shown() -> None:
    old, new = ("\n".join(f"{word} {number}" for number in range(500)) for word in ("old", "new"))
    (change,) = edits(version(TRUNK, {"third.md": old}), version(TRUNK, {"third.md": new}), AFTER_FIRST, NOW)
    assert len(change.diff) == 201
    assert change.diff[-1] == "… and 801 more lines"
    (change,) = edits(
        version(TRUNK, {"third.md": "x" * 9999}), version(TRUNK, {"third.md": "y" * 9999}), AFTER_FIRST, NOW
    )
    assert max(map(len, change.diff)) == 300


def test_a_template_that_a_begun_step_has_too_cannot_change() -> None:
    """The version of a step that has begun is what was published, whatever happens to the files."""
    shared = TRUNK.replace("third.md", "first.md")
    changes = edits(version(shared), version(shared, {"first.md": "Hi"}), AFTER_FIRST, NOW)
    assert told(changes) == ["third content body", "first refused body"]


def test_an_attachment_is_shown_by_its_digest() -> None:
    text = TRUNK.replace("body: third.md", "body: third.md, attachments: [terms.pdf]")
    old, new = version(text), version(text)
    files = {**new.files, "terms.pdf": b"\xff\xfe"}
    (change,) = edits(old, Version(new.content, files), AFTER_FIRST, NOW)
    assert change.field == "attachments"
    assert str(change.after).startswith("sha256 ")


def test_what_the_project_says_belongs_to_the_steps_to_come() -> None:
    other = version(TRUNK, sender="Other <other@shop.example>")
    (change,) = edits(version(TRUNK), other, AFTER_FIRST, NOW)
    assert told([change]) == ["None content sender"]
    # Of a campaign that is over, nothing is left that it could mean something to.
    over = standing(["first", "second", "third", "fourth"], CampaignState.COMPLETED)
    assert edits(version(TRUNK), other, over, NOW) == []


def test_a_segment_of_the_project_counts_as_long_as_something_asks_for_it() -> None:
    other = version(TRUNK, segments={**PROJECT["segments"], "french": {"attribute": "country", "in": ["FR", "BE"]}})
    assert told(edits(version(TRUNK), other, NOT_STARTED, NOW.replace(month=11))) == [
        "None structure segments.french asks"
    ]
    # The audience is frozen at the start.
    assert edits(version(TRUNK), other, AFTER_FIRST, NOW) == []
    unused = version(TRUNK, segments={**PROJECT["segments"], "new": {"attribute": "vip", "eq": True}})
    assert edits(version(TRUNK), unused, NOT_STARTED, NOW.replace(month=11)) == []


def test_a_segment_counts_after_the_start_for_splits_to_come_and_for_the_projects_own() -> None:
    other = {**PROJECT["segments"], "vip": {"attribute": "vip", "eq": False}}
    asking = "{id: ask, at: 2026-12-05 10:00, split: {by: segment, branches: [{name: a, when: vip}]}}"
    text = f"{TRUNK}  - {asking}\n"
    assert told(edits(version(text), version(text, segments=other), AFTER_FIRST, NOW)) == [
        "None structure segments.vip asks"
    ]
    own = {"any": [{"segment": "vip"}, {"segment": "french"}]}
    changes = edits(version(TRUNK, segment=own), version(TRUNK, segment=own, segments=other), AFTER_FIRST, NOW)
    assert told(changes) == ["None structure segments.vip asks"]


# moves and places


def test_a_step_that_is_not_reached_may_move() -> None:
    moved = TRUNK.replace(line(TRUNK, "third"), "") + line(TRUNK, "third")
    (change,) = edits(version(TRUNK), version(moved), AFTER_FIRST, NOW)
    assert told([change]) == ["fourth structure place asks"]
    assert (change.before, change.after) == ("after `third`", "after `second`")


def test_no_step_moves_before_the_one_where_members_are() -> None:
    swapped = TRUNK.replace(line(TRUNK, "second"), "").replace(
        line(TRUNK, "third"), line(TRUNK, "third") + line(TRUNK, "second")
    )
    changes = edits(version(TRUNK), version(swapped), AFTER_FIRST, NOW)
    assert told(changes) == ["third refused place"]
    assert changes[0].reason == "it would come before `second`, where members are now"


def test_a_begun_step_does_not_move_into_a_branch() -> None:
    inside = TRUNK.replace(
        line(TRUNK, "first"),
        "  - id: half\n    at: 2026-12-01 10:00\n    split:\n      by: random\n      branches:\n"
        f"        - name: a\n          share: 100%\n          steps:\n          {line(TRUNK, 'first')}",
    )
    assert told(edits(version(TRUNK), version(inside), AFTER_FIRST, NOW)) == [
        "first refused place",
        "half refused step",
    ]


def test_each_way_has_a_step_where_its_members_are() -> None:
    for step in ("thank", "last"):
        assert told(changed(TREE, line(TREE, step), "", AFTER_SPLIT)) == [f"{step} refused step"]
        assert told(changed(TREE, line(TREE, step), line(TREE, step).replace("10:00", "10:30"), AFTER_SPLIT)) == [
            f"{step} schedule at asks"
        ]
    assert told(changed(TREE, line(TREE, "mark"), "", AFTER_SPLIT)) == ["mark structure step asks"]
    assert told(changed(TREE, line(TREE, "farewell"), "", AFTER_SPLIT)) == ["farewell structure step asks"]


def test_a_step_in_a_branch_without_any_would_come_before_the_one_after_the_split() -> None:
    """The members of the rest stand before `last` already."""
    new = "{name: rest, steps: [{id: new, at: 2026-12-02 10:00, email: {subject: New, body: new.md}}]}"
    changes = changed(TREE, "{name: rest}", new, AFTER_SPLIT)
    assert told(changes) == ["new refused step"]
    assert changes[0].reason == "it would come before `last`, where members are now"


def test_two_steps_in_a_row_before_the_one_where_members_are_are_both_refused() -> None:
    two = NEW + NEW.replace("new", "newer")
    changes = changed(TRUNK, line(TRUNK, "second"), two + line(TRUNK, "second"), AFTER_FIRST)
    assert told(changes) == ["new refused step", "newer refused step"]


def test_the_end_of_a_branch_may_grow_behind_its_members() -> None:
    mark = line(TREE, "mark")
    grown = changed(TREE, mark, mark + mark.replace("mark", "new").replace("engaged", "seen"), AFTER_SPLIT)
    assert told(grown) == ["new structure step asks"]


def test_where_a_branch_ends_with_an_exit_nobody_comes_from_it() -> None:
    """Those who left do not stand before `last`: a branch of them may be anything."""
    leaving = TREE.replace(
        "{id: mark, at: 2026-12-02 11:00, set: {engaged: true}}", "{id: mark, at: 2026-12-02 11:00, exit: {}}"
    )
    leaving = leaving.replace("{name: rest}", "{name: rest, steps: [{id: off, at: 2026-12-02 09:00, exit: {}}]}")
    over = standing(["first", "reaction", "thank", "mark", "off"])
    assert told(edits(version(leaving), version(leaving.replace(line(leaving, "last"), "")), over, NOW)) == [
        "last structure step asks"
    ]


# splits


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: a, share: 50%", "name: c, share: 50%"),
        ("share: 50%", "share: 25%"),
        ("at: 2026-12-02 10:00", "at: 2026-12-02 10:30"),
    ],
)
def test_nothing_of_a_split_that_has_run_changes(old: str, new: str) -> None:
    after = standing(["first", "half"])
    changes = changed(OPEN, old, new, after)
    assert "half" in {each.step for each in changes if each.is_refused}


def test_the_shares_of_a_split_to_come_are_structure() -> None:
    live, begun = OPEN, standing(["first"])
    other = live.replace("name: a, share: 50%", "name: a, share: 80%").replace(
        "name: b, share: 50%", "name: b, share: 20%"
    )
    (change,) = edits(version(live), version(other), begun, NOW)
    assert told([change]) == ["half structure branches asks"]
    assert change.after == [{"name": "a", "share": "80%"}, {"name": "b", "share": "20%"}]


def test_a_renamed_branch_of_a_split_to_come_moves_its_steps() -> None:
    changes = changed(OPEN, "name: a,", "name: c,", standing(["first"]))
    assert told(changes) == ["half structure branches asks", "only-a structure place asks"]
    assert changes[1].after == "first, in branch `c` of `half`"


def test_a_branch_may_come_and_go_before_its_split_runs_and_not_after() -> None:
    third = "        - {name: c, share: 20%}\n"
    with_third = OPEN.replace("name: b, share: 50%", "name: b, share: 30%").replace(
        "  - {id: last", f"{third}  - {{id: last"
    )
    for old, new in ((OPEN, with_third), (with_third, OPEN)):
        assert told(edits(version(old), version(new), standing(["first"]), NOW)) == ["half structure branches asks"]
        assert told(edits(version(old), version(new), standing(["first", "half"]), NOW)) == ["half refused branches"]


def test_steps_of_a_removed_branch_are_removed_too() -> None:
    branch = next(f"{each}\n" for each in OPEN.splitlines() if "name: b" in each)
    without = OPEN.replace(branch, "").replace("name: a, share: 50%", "name: a, share: 100%")
    assert told(edits(version(OPEN), version(without), standing(["first"]), NOW)) == [
        "half structure branches asks",
        "only-b structure step asks",
    ]
    assert told(edits(version(OPEN), version(without), standing(["first", "half"]), NOW)) == [
        "half refused branches",
        "only-b refused step",
    ]


# ids


def test_a_renamed_id_is_a_removal_and_an_addition_and_says_so() -> None:
    changes = changed(TRUNK, "id: third", "id: drei", AFTER_FIRST)
    assert told(changes) == ["third structure step asks", "drei structure step asks"]
    assert changes[0].reason == "`drei` is the same under another id: a renamed id is a removal and an addition"
    assert changes[1].reason == "`third` is the same under another id: a renamed id is a removal and an addition"


def test_a_renamed_id_of_the_step_where_members_are_is_refused() -> None:
    changes = changed(TRUNK, "id: second", "id: zwei", AFTER_FIRST)
    assert "second refused step" in told(changes)


def test_the_id_of_a_removed_step_comes_back_with_its_own_verb_only() -> None:
    fifth = "  - {id: fifth, at: 2026-12-05 10:00, email: {subject: Five, body: fifth.md}}\n"
    live, file = version(TRUNK), version(TRUNK + fifth)
    assert told(edits(live, file, standing(["first"], fifth="email"), NOW)) == ["fifth structure step asks"]
    (change,) = edits(live, file, standing(["first"], fifth="set"), NOW)
    assert told([change]) == ["fifth refused step"]
    assert change.reason == "`fifth` was the id of a removed `set` step, and cannot come back with another verb"


# time


def test_a_new_time_is_not_in_the_past_and_an_old_one_may_be() -> None:
    assert told(changed(TRUNK, "2026-12-03 10:00", "2026-12-01 12:30", AFTER_FIRST)) == ["third refused at"]
    late = NOW.replace(day=3, hour=20)
    assert told(edits(version(TRUNK), version(TRUNK.replace("subject: Three", "subject: 3")), AFTER_FIRST, late)) == [
        "third content subject"
    ]
    added = TRUNK.replace(line(TRUNK, "fourth"), NEW + line(TRUNK, "fourth"))
    assert told(edits(version(TRUNK), version(added), standing(["first", "second", "third"]), late)) == [
        "new refused step"
    ]


# extending


def over(text: str) -> Standing:
    return standing([each.id for each in every_step(version(text).campaign.steps)], CampaignState.COMPLETED)


def test_a_completed_campaign_grows_at_its_end() -> None:
    fifth = "  - {id: fifth, at: 2026-12-05 10:00, email: {subject: Five, body: fifth.md}}\n"
    assert told(edits(version(TRUNK), version(TRUNK + fifth), over(TRUNK), NOW)) == ["fifth structure step"]


def test_a_branch_grows_only_as_long_as_nothing_after_its_split_has_begun() -> None:
    mark = line(TREE, "mark")
    grown = TREE.replace(mark, mark + mark.replace("mark", "new"))
    (change,) = edits(version(TREE), version(grown), over(TREE), NOW)
    assert told([change]) == ["new refused step"]
    assert change.reason == "it would come before `last`, which has begun or is over"
    short = TREE.replace(line(TREE, "last"), "").replace(line(TREE, "farewell"), "")
    grown = short.replace(mark, mark + mark.replace("mark", "new").replace("-02", "-05"))
    assert told(edits(version(short), version(grown), over(short), NOW)) == ["new structure step"]


def test_the_title_of_a_campaign_that_is_over_stays() -> None:
    assert told(edits(version(TRUNK), version(TRUNK.replace("list:", "title: Sale\nlist:")), over(TRUNK), NOW)) == [
        "None refused title"
    ]
