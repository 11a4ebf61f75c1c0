"""One module a sub-command: `add` declares its arguments, `run` does it."""
