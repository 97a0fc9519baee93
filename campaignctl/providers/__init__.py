"""Provider events: what mail and text providers tell about messages, each in its own form, and verified."""
