"""Mail that comes back: what servers and mailbox providers report of messages."""
