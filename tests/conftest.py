"""What all tests share.

Warnings are errors here. kafka-python gives one when it is imported, as it reads its message schemas with a
function of the standard library that is on its way out: so it is imported once, before the rule applies.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", r"(read|open)_text is deprecated", DeprecationWarning)
    import kafka

__all__ = ["kafka"]
