"""E-mail over SMTP: our own conversation, because it has to know what the final dot decided."""
