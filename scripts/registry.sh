#!/usr/bin/env bash
# Sees to it that the tests find a registry of OCI artifacts. They run one of their own, on a free
# port and with its own data; one that runs already is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/debian.sh

command -v docker-registry >/dev/null || debian_install docker-registry || fail \
    "there is no docker-registry, and it cannot be installed from here" \
    "Run as root: apt-get install docker-registry"
