"""A whole campaign in virtual time: on a copy of the store, without a channel."""
