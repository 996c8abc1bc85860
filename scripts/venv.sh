#!/usr/bin/env bash
# The Python environments of the tests and the demo: the real servers in .venv, and in
# .venv/client their own clients. Those have one to themselves because beside the server
# the client loads all of it, six seconds each time a script starts.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/debian.sh

requirements=tests/requirements.txt
client_requirements=tests/python/requirements.txt
# A copy of what was installed last: present and the same, there is nothing to do.
installed=.venv/installed-requirements.txt
python=${PYTHON:-python3}

if cat "$requirements" "$client_requirements" | cmp --silent - "$installed"; then
    exit 0
fi

command -v "$python" >/dev/null || { [ -z "${PYTHON:-}" ] && debian_install python3 python3-venv; } || fail \
    "there is no $python" \
    "Install Python 3.10 or newer, or name one: PYTHON=/path/to/python3 make setup"

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail \
    "$("$python" --version) is too old for Phoenix, which needs 3.10" \
    "Name a newer one: PYTHON=/path/to/python3 make setup"

create() {
    "$python" -m venv --clear .venv >/dev/null 2>&1
}

# Debian's Python comes without the part that makes environments.
create_with_virtualenv() {
    "$python" -m virtualenv --version >/dev/null 2>&1 ||
        "$python" -m pip install --user --quiet virtualenv >/dev/null 2>&1 || return 1
    "$python" -m virtualenv --quiet --clear .venv
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "Making a Python environment in .venv"
    create || { debian_install python3-venv && create; } || create_with_virtualenv || fail \
        "$python cannot make an environment: its module venv is not there" \
        "Run as root: apt-get install python3-venv"
fi

install() {
    .venv/bin/python -m pip --python "$1" install \
        --quiet --disable-pip-version-check --requirement "$2" || fail \
        "the Python packages of $2 cannot be installed" \
        "pip says why above. Behind a proxy or a mirror, set what pip reads: HTTPS_PROXY, PIP_INDEX_URL."
}

say "Installing Phoenix into .venv (a minute or two, 700 MB)"
install .venv "$requirements"
.venv/bin/python -m venv --without-pip .venv/client
install .venv/client "$client_requirements"
cat "$requirements" "$client_requirements" >"$installed"
