"""Benchmarks: ``python -m tests.benchmarks``, or ``make bench``. What they found is in docs/benchmarks.md."""
