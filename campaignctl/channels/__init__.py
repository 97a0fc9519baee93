"""What carries messages out: one module or package per technology."""
