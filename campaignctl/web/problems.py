"""How the service says no: a status, and the same code, sentence and hint as everywhere."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from campaignctl.errors import CampaignctlError, RefusedError, StoreError, UsageError, WorkFailedError


class HttpProblem(CampaignctlError):
    """A request that cannot be answered as it is."""

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, message, hint)
        self.status = status
        self.headers = dict(headers or {})


def problem_answer(_request: Request, failure: Exception) -> Response:
    """The answer for something that went wrong as it may."""
    if not isinstance(failure, CampaignctlError):
        raise failure
    headers = failure.headers if isinstance(failure, HttpProblem) else {}
    status = _status_of(failure)
    if status == 503:
        headers = {"Retry-After": "5", **headers}
    told = {"code": failure.code, "message": failure.message, "hint": failure.hint}
    return JSONResponse({"version": 1, "error": told}, status, headers)


def _status_of(failure: CampaignctlError) -> int:
    match failure:
        case HttpProblem():
            return failure.status
        case RefusedError():
            return 409
        case StoreError():
            return 503
        case UsageError():
            return 400
        case WorkFailedError():
            return 422
        case _:
            return 500


def not_found() -> HttpProblem:
    return HttpProblem(404, "H104", "there is nothing here", "see `schemas/openapi.json` for what can be asked")
