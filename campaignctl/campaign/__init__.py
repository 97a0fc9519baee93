"""What a campaign file says; pure."""
