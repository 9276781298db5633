"""The state log: what a worker knows, appended together with the source offsets it knows it from."""
