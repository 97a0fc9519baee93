"""The verbs: one module each, with its model, its checks and its effect."""
