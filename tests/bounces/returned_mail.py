"""Messages that came back, as the servers of this world write them."""

from __future__ import annotations

from pathlib import Path

from campaignctl.message.links import Signer
from campaignctl.message.return_path import ReturnPath, ReturnPaths

MAILBOX = "bounces@shop.example"
OURS = Signer(1, b"the secret of this store")
PATHS = ReturnPaths(MAILBOX, OURS)

REPORTS = Path(__file__).parent / "reports"

# What each file in `reports/` is.
KINDS = {
    "postfix-unknown-user": "hard",
    "postfix-mailbox-full": "soft",
    "postfix-expired": "soft",
    "postfix-delayed": "delayed",
    "postfix-delivered": "delivered",
    "exim-unknown-user": "hard",
    "exim-without-code": "soft",
    "exchange-online-not-found": "hard",
    "exchange-online-blocked": "policy",
    "gmail-unknown-user": "hard",
    "gmail-unauthenticated": "policy",
    "amazon-ses-unknown-user": "hard",
    "yahoo-complaint": "complaint",
    "yahoo-not-spam": "other",
    "microsoft-complaint": "complaint",
    "microsoft-old-complaint": "complaint",
    "qmail-unknown-user": "hard",
    "qmail-without-code": "soft",
    "qmail-two-codes": "soft",
    "exchange-plain-text": "hard",
    "out-of-office": "auto_reply",
    "out-of-office-without-mark": "auto_reply",
    "read-receipt": "other",
    "letter-from-a-person": "other",
}


def report(name: str, path: str = "", *, step: int = 3, contact: int = 17) -> bytes:
    """One of the reports, about a message with this return path, or the one that we signed for this delivery."""
    path = path or ReturnPath(MAILBOX, OURS).of(step, contact)
    return (REPORTS / f"{name}.eml").read_bytes().replace(b"RETURN-PATH", path.encode())


def delivery_status(action: str = "failed", status: str = "5.1.1", diagnostic: str = "") -> bytes:
    """Postfix's report with another status."""
    said = f"Action: {action}\nStatus: {status}\n" + (f"Diagnostic-Code: smtp; {diagnostic}\n" if diagnostic else "")
    head, _, rest = report("postfix-unknown-user").partition(b"Action: ")
    return head + said.encode() + b"\n--" + rest.split(b"\n--", 1)[1]
