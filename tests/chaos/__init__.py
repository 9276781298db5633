"""Processes are killed, frozen, added and removed, the broker too, and afterwards every value must be exact.

Black-box: what is known of Daybook here are its processes, its topics and its metrics. ``python -m tests.chaos`` is
the long run, ``--short`` what the tests run.
"""
