"""What marks for providers and signatures add to a message; CPU time of this process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.messages import HTML, MADE_AT, TEXT, _made, _template
from bench.results import Section
from campaignctl.message.dkim import DkimSignature, PrivateKey
from campaignctl.message.links import Signer
from campaignctl.message.marks import Marks

_ROUNDS = 15


def measure() -> Section:
    """Each way on the same message, in turns; medians."""
    template = _template(HTML, TEXT)
    message = _made(template, 1)
    short, usual, curve = _rsa(1024), _rsa(2048), ed25519.Ed25519PrivateKey.generate()
    marks = Marks(["sendgrid"], Signer(1, b"a secret for the benchmark only!"))
    pem = usual.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "the message itself": (lambda: _made(template, 1), 500),
        "a mark for one provider": (lambda: marks.on(message, 3, 17), 2000),
        "a signature, RSA of 2048 bits": (_signing(usual, message), 100),
        "a signature, RSA of 1024 bits": (_signing(short, message), 100),
        "a signature, Ed25519": (_signing(curve, message), 500),
        "dkimpy, RSA of 2048 bits": (lambda: dkim.sign(message, b"c1", b"shop.example", pem), 10),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, (make, count) in ways.items():
            times[name].append(_once(make, count))
    found = {name: statistics.median(each) for name, each in times.items()}
    rows = [[name, f"{each * 1e6:.0f} µs", f"{1 / each:.0f}"] for name, each in found.items()]
    about = f"One message of {len(message)} bytes, made, marked and signed; processor time of one core."
    return Section("Signing", about, ("what", "takes", "a second and core"), rows)


def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def _signing(key: PrivateKey, message: bytes) -> Callable[[], object]:
    signature = DkimSignature("shop.example", "c1", key)
    return lambda: signature.on(message, MADE_AT)


def _once(make: Callable[[], object], count: int) -> float:
    began = time.process_time()
    for _ in range(count):
        make()
    return (time.process_time() - began) / count
