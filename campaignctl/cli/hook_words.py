"""What people read of a hook that has not been told everything."""

from __future__ import annotations

from campaignctl.clock import utc_text
from campaignctl.store.hook_letters import HookStanding


def hook_words(hook: HookStanding) -> str:
    """Where a hook stands, and what to do about it."""
    waiting = f"{hook.waiting} events wait" if hook.waiting != 1 else "1 event waits"
    if hook.off_since is not None:
        words = [f"{waiting}; it is off, because it answered {hook.said}: campaignctl hooks enable {hook.hook}"]
    elif hook.is_stuck:
        words = [f"{waiting}; it answered {hook.said}, and is told again at {utc_text(hook.next_attempt_at)}"]
    else:
        words = [waiting] if hook.waiting else []
    if hook.dead:
        words.append(f"{hook.dead} could not be told: campaignctl hooks dead {hook.hook}")
    return f"hook {hook.hook}: {'; '.join(words)}"
