#!/bin/sh
# Numba takes results only from a folder that it may write to, and a container's image may be read-only. So those of the
# image are linked to from one that is writable; what would be compiled after all is put beside the links.
set -eu
mkdir -p "$NUMBA_CACHE_DIR"
cp --recursive --symbolic-link --force --no-preserve=mode /opt/daybook/compiled/. "$NUMBA_CACHE_DIR"
exec daybook "$@"
