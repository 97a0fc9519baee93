"""The daemon dies right before or right after a commit, whichever it is: the next one goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.crashing import at_every_commit
from faults.relay import Relay
from faults.shop import Shop


@pytest.mark.parametrize(("is_before", "may_repeat"), [(True, True), (False, False)])
def test_a_crash_at_any_commit_loses_nothing(tmp_path: Path, is_before: bool, may_repeat: bool) -> None:
    """
    The long form does the other two pairs as well.

    A small campaign has about a dozen commits: the epoch, the key, the
    recovery, the step that begins, each round of intents and results, the end.
    """
    with Relay(tmp_path) as relay:
        fresh = Shop.opened(tmp_path / "shop", relay.port, contacts=3, connections=2, may_repeat=may_repeat)
        crashes = list(at_every_commit(fresh, relay, is_before))
        assert [crash for crash in crashes if crash.problems] == []
        assert len(crashes) > 8
