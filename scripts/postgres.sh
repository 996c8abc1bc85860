#!/usr/bin/env bash
# Sees to it that the tests find a PostgreSQL server, 15 or newer. They run one of their own, on
# a free port and with its own data; a server that runs already is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/debian.sh

has_server() {
    command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

has_server || debian_install postgresql || fail \
    "there is no PostgreSQL server, and it cannot be installed from here" \
    "Run as root: apt-get install postgresql"
