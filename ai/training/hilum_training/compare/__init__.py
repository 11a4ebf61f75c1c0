"""Runs side by side, and beside what their kind of network reached elsewhere."""
