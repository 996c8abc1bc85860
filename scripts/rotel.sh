#!/usr/bin/env bash
# rotel, a gateway of others: a client in the tests, and what `make bench-export` measures beside
# Roost's. In .venv/rotel.
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
    "rotel==$version" || fail \
    "rotel $version cannot be installed" \
    "pip says why above. Behind a proxy or a mirror, set what pip reads: HTTPS_PROXY, PIP_INDEX_URL."
