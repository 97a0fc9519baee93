"""What an error of a socket or of TLS means to us."""

from __future__ import annotations

import socket
import ssl

from campaignctl.channels.smtp.verdicts import Fault, FaultKind


def fault_of(error: OSError, host: str) -> Fault:
    """*error*, met when talking to *host*, in our words."""
    match error:
        case TimeoutError():
            return Fault(FaultKind.TIMEOUT, f"no answer from {host} in time")
        case ssl.SSLCertVerificationError():
            detail = f"the certificate of {host} is not to be trusted: {error.verify_message}"
            return Fault(FaultKind.TLS, detail)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Fault(FaultKind.CLOSED, f"{host} closed the connection")
        case ssl.SSLError():
            return Fault(FaultKind.TLS, f"no TLS with {host}: {error.reason or 'the handshake failed'}")
        case socket.gaierror():
            return Fault(FaultKind.REFUSED, f"the address of {host} cannot be found")
        case ConnectionRefusedError():
            return Fault(FaultKind.REFUSED, f"{host} refuses connections")
        case ConnectionError():
            return Fault(FaultKind.CLOSED, f"{host} broke the connection off")
        case _:
            return Fault(FaultKind.CLOSED, f"no connection with {host}: {error.strerror or 'it broke'}")
