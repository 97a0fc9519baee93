"""Other programs that send mail, and how each is asked to."""
