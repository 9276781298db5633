"""The state log: what a worker knows, appended together with the source offsets it knows it from.

``frames`` is how entries lie in Kafka, ``chain`` which of them count, ``log`` the reading and appending.
"""
