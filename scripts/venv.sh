#!/usr/bin/env bash
# The Python environment of the tests and the demo, in .venv: the real servers, and their
# own clients.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/debian.sh

requirements=tests/requirements.txt
# A copy of what was installed last: present and the same, there is nothing to do.
installed=.venv/installed-requirements.txt
python=${PYTHON:-python3}

if cmp --silent "$requirements" "$installed"; then
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

say "Installing Phoenix into .venv (a minute or two, 700 MB)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$requirements" || fail \
    "the Python packages of $requirements cannot be installed" \
    "pip says why above. Behind a proxy or a mirror, set what pip reads: PIP_INDEX_URL, HTTPS_PROXY."
cp "$requirements" "$installed"
