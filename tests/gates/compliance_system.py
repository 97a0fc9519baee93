"""
A compliance system, as somebody else would write it: a process of its own that knows only what is documented.

It checks the signature of what it is asked, writes it down, fetches the
contacts, decides, and answers. What it does is in the files of its folder:
`asked.ndjson`, `contacts-N.ndjson` and `answered.ndjson`. Started again, it
goes on with what it was asked and has not answered.

Usage: compliance_system.py PORT SECRET FOLDER [silent|downloads|answers]

`silent` hears a request, and never replies or does anything about it; `downloads` fetches and does not
answer; `answers` does everything.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks import Webhook, WebhookVerificationError


class System:
    def __init__(self, secret: str, folder: Path, mode: str) -> None:
        self.secret, self.folder, self.mode = secret, folder, mode
        self.wake = threading.Event()
        self.lock = threading.Lock()

    def write(self, name: str, value: object) -> None:
        with self.lock, (self.folder / name).open("a") as file:
            file.write(json.dumps(value) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self, name: str) -> list[dict[str, object]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def work(self) -> None:
        while True:
            self.wake.wait(0.2)
            self.wake.clear()
            answered = {each["id"] for each in self.read("answered.ndjson")}
            for asked in {each["id"]: each for each in self.read("asked.ndjson")}.values():
                if asked["id"] not in answered:
                    self.decide(asked)

    def decide(self, asked: dict[str, object]) -> None:
        try:
            with urllib.request.urlopen(str(asked["download_url"]), timeout=20) as reply:
                contacts = [json.loads(line) for line in reply]
            assert len(contacts) == asked["count"]
            (self.folder / "contacts.ndjson").write_text("".join(json.dumps(each) + "\n" for each in contacts))
            if self.mode == "downloads":
                return
            request = urllib.request.Request(
                str(asked["finish_url"]), decided(contacts), {"Content-Type": "application/x-ndjson"}
            )
            with urllib.request.urlopen(request, timeout=20) as reply:
                self.write("answered.ndjson", {"id": asked["id"], "said": json.load(reply)})
        except urllib.error.HTTPError as failure:
            self.write("answered.ndjson", {"id": asked["id"], "status": failure.code})
        except (OSError, ValueError, AssertionError):
            return  # the service is not there, or broke off: later again


def decided(contacts: list[dict[str, object]]) -> bytes:
    """Nobody whose name ends with a 7 gets anything; everybody else gets a code of their own."""
    lines: list[dict[str, object]] = []
    for contact in contacts:
        name = str(contact["id"])
        told: dict[str, object] = {"properties": {"promo": f"CODE-{name}"}}
        lines.append({"id": name} | ({"reject": True} if name.endswith("7") else told))
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def main() -> None:
    port, secret, folder, mode = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    system = System(secret, folder, mode)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                said = Webhook(system.secret).verify(
                    content, {key.lower(): value for key, value in self.headers.items()}
                )
            except WebhookVerificationError:
                self.send_error(401)
                return
            asked = {"id": self.headers["webhook-id"], **said}
            if system.mode == "silent":
                system.write("heard.ndjson", asked)
                threading.Event().wait()
            system.write("asked.ndjson", asked)
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            system.wake.set()

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002 # the library's name
            """Nothing is said."""

    threading.Thread(target=system.work, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
