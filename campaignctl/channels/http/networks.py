"""
What ad networks expect of a request that hands people to them, and what their answers mean.

Meta: https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences
Google: https://developers.google.com/google-ads/api/docs/remarketing/audience-segments/customer-match/get-started
TikTok: https://business-api.tiktok.com/portal/docs, `/open_api/v1.3/segment/mapping/`
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from campaignctl.channels.http.endpoint import EndpointSettings
from campaignctl.channels.http.exchange import HttpAnswer, HttpFailure, HttpRequest
from campaignctl.channels.http.verdicts import said_by, verdict_on
from campaignctl.contacts.spreadsheet import quoted
from campaignctl.ports import Outcome, Outgoing, Verdict

_JSON: Final = "application/json"
_Written = tuple[bytes, str]

# Of what TikTok answers with 200: https://business-api.tiktok.com/portal/docs, "Return codes".
_TOO_OFTEN: Final = 40100
_NOT_WELCOME: Final = frozenset({40001, 40101, 40102, 40104, 40105})
_SYSTEM_ERRORS: Final = 50000


def _meta(people: Mapping[str, Any]) -> _Written:
    session = {
        "session_id": people["session"],
        "batch_seq": people["batch"],
        # It would end the session, and a batch that is tried again may come after the last one.
        "last_batch_flag": False,
        "estimated_num_total": people["people"],
    }
    schema = [name.upper() for name in people["header"]]
    return _json({"session": session, "payload": {"schema": schema, "data": people["rows"]}})


def _google(people: Mapping[str, Any]) -> _Written:
    return _json({"operations": [{"create": {"userIdentifiers": _identifiers(row)}} for row in people["rows"]]})


def _identifiers(row: Sequence[str]) -> list[dict[str, object]]:
    email, phone, *address = row
    found: list[dict[str, object]] = []
    if email:
        found.append({"hashedEmail": email})
    if phone:
        found.append({"hashedPhoneNumber": phone})
    if all(address):
        # Of a part of an address nobody is recognised, and all of a request is refused.
        names = ("hashedFirstName", "hashedLastName", "countryCode", "postalCode")
        found.append({"addressInfo": dict(zip(names, address, strict=True))})
    return found


def _tiktok(people: Mapping[str, Any]) -> _Written:
    audiences = [people["audience"]]
    return _json(
        {
            "action": "add",
            "advertiser_ids": [people["advertiser"]],
            "id_schema": [name.upper() for name in people["header"]],
            "batch_data": [
                [{"id": each, "audience_ids": audiences} if each else {} for each in row] for row in people["rows"]
            ],
        }
    )


def _csv(people: Mapping[str, Any]) -> _Written:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(people["header"])
    table.writerows([quoted(cell) for cell in row] for row in people["rows"])
    return text.getvalue().encode(), "text/csv; charset=utf-8"


def _json(document: Mapping[str, object]) -> _Written:
    return json.dumps(document, ensure_ascii=False).encode(), _JSON


_WRITTEN: Final[Mapping[str, Callable[[Mapping[str, Any]], _Written]]] = {
    "meta": _meta,
    "google": _google,
    "tiktok": _tiktok,
    "csv": _csv,
}


def network_request(endpoint: EndpointSettings) -> Callable[[Outgoing, datetime], HttpRequest]:
    """Makes the request about a batch of people, in the form of its network."""

    def compose(message: Outgoing, now: datetime) -> HttpRequest:
        people = json.loads(message.content)
        content, content_type = _WRITTEN[people["format"]](people)
        return endpoint.request(message.key, content, now, content_type)

    return compose


def network_verdict(message: Outgoing, answer: HttpAnswer | HttpFailure, now: datetime) -> Outcome:
    """What an answer means: that of TikTok says by a code of its own whether a request was taken."""
    outcome = verdict_on(message.key, answer, now)
    if outcome.verdict is not Verdict.SENT or not isinstance(answer, HttpAnswer):
        return outcome
    return _by_code(message.key, answer) if json.loads(message.content)["format"] == "tiktok" else outcome


def _by_code(key: str, answer: HttpAnswer) -> Outcome:
    said = said_by(answer)
    try:
        code = json.loads(answer.content)["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return Outcome(key, Verdict.UNCERTAIN, "no_answer", said)
    match code:
        case 0:
            return Outcome(key, Verdict.SENT, "", said)
        case int() if code == _TOO_OFTEN:
            return Outcome(key, Verdict.DEFERRED, "refused_for_now", said)
        case int() if code in _NOT_WELCOME:
            return Outcome(key, Verdict.NOT_SENT, "auth_refused", said, blames_sender=True)
        case int() if code >= _SYSTEM_ERRORS:
            return Outcome(key, Verdict.UNCERTAIN, "no_answer", said)
        case _:
            return Outcome(key, Verdict.FAILED, "refused", said)
