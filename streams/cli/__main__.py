"""``python -m streams.cli``: the ``daybook`` command without an installed script."""

from streams.cli import main

main()
