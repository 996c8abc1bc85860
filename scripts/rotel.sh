#!/usr/bin/env bash
# The gateway that `make bench-export` measures beside Roost's, in .venv/rotel. Where its package
# cannot be had, the bench goes on without it and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh

version=0.0.1a15

if compgen -G ".venv/rotel/lib/*/site-packages/rotel-$version.dist-info" >/dev/null; then
    exit 0
fi
say "Installing rotel $version into .venv/rotel"
.venv/bin/python -m venv --clear --without-pip .venv/rotel
.venv/bin/python -m pip --python .venv/rotel install --quiet --disable-pip-version-check \
    "rotel==$version" || say "There is no rotel for this machine: it is left out"
