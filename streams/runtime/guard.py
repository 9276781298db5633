"""Run a program that ends when its parent does: ``python guard.py PARENT_PID PROGRAM [ARGUMENT …]``.

On Linux the kernel is asked to kill the program as soon as its parent is gone, even where the parent was
killed and could not tidy up; the request survives the ``exec``. Elsewhere the program is simply started. A
small program of its own instead of a ``preexec_fn``, which is not safe in a process that has threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def guarded(argv: list[str], parent: int | None = None) -> list[str]:
    """The command line that runs ``argv`` under this guard, as a child of ``parent`` (default: this
    process)."""
    return [sys.executable, "-I", "-S", __file__, str(parent or os.getpid()), *argv]


def main(argv: list[str]) -> int:
    """Bind this process to its parent and become the program."""
    parent, program = int(argv[0]), argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the request was made
            return 1
    try:
        os.execvp(program[0], program)
    except OSError as error:
        print(f"{program[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
