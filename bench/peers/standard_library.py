"""
`python -m bench.peers.standard_library PORT CONTACTS.csv`: a message to each contact, over one connection.

`smtplib` and `email.message`, as the documentation of Python shows them.
"""

from __future__ import annotations

import csv
import sys
from email.message import EmailMessage
from email.utils import localtime, make_msgid
from html import escape
from pathlib import Path
from smtplib import SMTP
from string import Template

from bench.letter import HTML, POSTAL_ADDRESS, PUBLIC_URL, SENDER, SUBJECT, TEXT

_SUBJECT, _TEXT, _HTML = Template(SUBJECT), Template(TEXT), Template(HTML)


def main(port: int, contacts: Path) -> None:
    """Send them all."""
    with SMTP("127.0.0.1", port) as server, contacts.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            server.send_message(_message(row))


def _message(row: dict[str, str]) -> EmailMessage:
    url = f"{PUBLIC_URL}/u/{row['id']}"
    values = {**row, "unsubscribe_url": url, "postal_address": POSTAL_ADDRESS}
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = row["email"]
    message["Subject"] = _SUBJECT.substitute(values)
    message["Date"] = localtime()
    message["Message-ID"] = make_msgid(domain="shop.example")
    message["List-Unsubscribe"] = f"<{url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(_TEXT.substitute(values))
    message.add_alternative(_HTML.substitute({name: escape(value) for name, value in values.items()}), subtype="html")
    return message


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
