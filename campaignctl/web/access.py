"""Who may ask: bearer tokens, their scopes, and how often one may ask."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request

from campaignctl.store.tokens import Token, found_token
from campaignctl.web.operations import Operation
from campaignctl.web.problems import HttpProblem
from campaignctl.web.service import Service


class Bucket:
    """
    So many requests at once, and so many a second after that, for each of whoever asks.

    It forgets who asked longest ago, so that memory stays flat.
    """

    def __init__(self, at_once: int, per_second: float, most_known: int = 10_000) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._most_known = most_known
        self._left: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def take(self, who: str, now: datetime) -> timedelta | None:
        """Take one; how long to wait where none is left, and None where one was."""
        left, since = self._left.pop(who, (float(self._at_once), now))
        left = min(self._at_once, left + max((now - since).total_seconds(), 0) * self._per_second)
        is_empty = left < 1
        self._left[who] = (left if is_empty else left - 1, now)
        if len(self._left) > self._most_known:
            self._left.popitem(last=False)
        return timedelta(seconds=(1 - left) / self._per_second) if is_empty else None

    def is_empty(self, who: str, now: datetime) -> bool:
        """Whether nothing is left for *who*; takes nothing."""
        left, since = self._left.get(who, (float(self._at_once), now))
        return left + max((now - since).total_seconds(), 0) * self._per_second < 1


_REALM: Final = {"WWW-Authenticate": 'Bearer realm="campaignctl"'}


class Door:
    """Lets those in whose token is good for what they ask."""

    def __init__(self) -> None:
        self._requests = Bucket(at_once=100, per_second=20)
        self._failures = Bucket(at_once=10, per_second=0.1)

    async def let_in(self, request: Request, operation: Operation, service: Service) -> Token | None:
        """
        The token that the request shows; None where none is asked for.

        Raises:
            HttpProblem: it shows none, or one that is not good for this, or asks too often.
        """
        if operation.scope is None:
            return None
        now = service.clock.now()
        address = request.client.host if request.client else ""
        if self._failures.is_empty(address, now):
            raise too_often(timedelta(seconds=10))
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        token = None
        if scheme.lower() == "bearer" and shown:
            token = await service.in_thread(_known, service, shown.strip(), now)
        if token is None:
            self._failures.take(address, now)
            raise HttpProblem(
                401, "H101", "the request shows no token that is good here",
                "send `Authorization: Bearer TOKEN`; `campaignctl token create` makes one", _REALM,
            )  # fmt: skip
        wait = self._requests.take(token.id, now)
        if wait is not None:
            raise too_often(wait)
        scope = operation.scope.format(**request.path_params)
        if not token.allows(scope):
            raise HttpProblem(
                403, "H102", f"the token is not good for `{scope}`",
                f"make one with `campaignctl token create --scope {scope}`",
            )  # fmt: skip
        return token


def _known(service: Service, shown: str, now: datetime) -> Token | None:
    with service.store.reading() as ledger:
        return found_token(ledger.connection, shown, now)


def too_often(wait: timedelta) -> HttpProblem:
    """The answer to who asks more often than they may: they may ask again after *wait*."""
    seconds = max(1, round(wait.total_seconds() + 0.5))
    return HttpProblem(
        429, "H103", "too many requests", f"ask again in {seconds} seconds", {"Retry-After": str(seconds)}
    )
