#!/usr/bin/env bash
# The Python environments of the tests and the demo: Phoenix in .venv, its own client in
# .venv/client, and MLflow with its client in .venv/mlflow. Phoenix's client has one to itself
# because beside the server it loads all of it, six seconds each time a script starts; MLflow,
# because both servers pin what they share.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/debian.sh

python=${PYTHON:-python3}

# Whether an environment has what these lists say: is_installed <environment> <list> ...
is_installed() {
    local environment=$1
    shift
    cat "$@" | cmp --silent - "$environment/installed-requirements.txt"
}

requirements=tests/requirements.txt
client_requirements=tests/python/requirements.txt
mlflow_requirements=tests/mlflow-requirements.txt
if is_installed .venv "$requirements" "$client_requirements" &&
    is_installed .venv/client "$client_requirements" &&
    is_installed .venv/mlflow "$mlflow_requirements"; then
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

# Install what an environment lacks: install <environment> <what it is> <list> <included list> ...
install() {
    local environment=$1 what=$2 list=$3
    shift 2
    is_installed "$environment" "$@" && return
    say "Installing $what into $environment"
    [ -e "$environment/bin/python" ] || .venv/bin/python -m venv --without-pip "$environment"
    .venv/bin/python -m pip --python "$environment" install \
        --quiet --disable-pip-version-check --requirement "$list" || fail \
        "the Python packages of $list cannot be installed" \
        "pip says why above. Behind a proxy or a mirror, set what pip reads: HTTPS_PROXY, PIP_INDEX_URL."
    cat "$@" >"$environment/installed-requirements.txt"
}

install .venv "Phoenix (a minute or two, 700 MB)" "$requirements" "$client_requirements"
install .venv/client "Phoenix's client" "$client_requirements"
install .venv/mlflow "MLflow (a minute, 850 MB)" "$mlflow_requirements"
