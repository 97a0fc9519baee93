"""Whom to believe that they are the relay."""

from __future__ import annotations

import ssl

from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.errors import ChannelError


def trust_for(settings: SmtpSettings) -> ssl.SSLContext | None:
    """
    Whom to believe: the system's authorities, those of `ca_file`, anybody; None where there is no TLS.

    Raises:
        ChannelError: `ca_file` cannot be used.
    """
    if settings.security == "none":
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ChannelError(
            "D103",
            f"the certificates in `{settings.ca_file}` cannot be read",
            "name a file in PEM format that this user may read",
        ) from error
    if settings.security == "opportunistic":
        # Encryption with an unknown is worth more than none, and none is the alternative.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
