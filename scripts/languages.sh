#!/usr/bin/env bash
# What providers in other languages are built with, for the tests of `roost new`: componentize-py,
# componentize-js, and for C a compiler and two more, in tools/ of the target folder. An author's own
# folder gets them by its Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/debian.sh

tools=${CARGO_TARGET_DIR:-target}/tools
requirements=templates/python/requirements.txt
package=templates/javascript/package.json
for_c=templates/c/tools.mk

if ! cmp --silent "$requirements" "$tools/python/installed-requirements.txt"; then
    say "Installing componentize-py into $tools/python"
    mkdir -p "$tools"
    .venv/bin/python -m venv --clear --without-pip "$tools/python"
    .venv/bin/python -m pip --python "$tools/python" install \
        --quiet --disable-pip-version-check --requirement "$requirements" || fail \
        "the Python packages of $requirements cannot be installed" \
        "pip says why above. Behind a proxy or a mirror, set what pip reads: HTTPS_PROXY, PIP_INDEX_URL."
    cp "$requirements" "$tools/python/installed-requirements.txt"
fi

need_npm() {
    command -v npm >/dev/null || debian_install nodejs npm || fail \
        "there is no npm" \
        "Install Node.js 18.19 or newer"
}

if ! cmp --silent "$package" "$tools/javascript/installed.json"; then
    need_npm
    say "Installing componentize-js into $tools/javascript"
    rm -rf "$tools/javascript"
    mkdir -p "$tools/javascript"
    # A package has a name that npm takes.
    sed 's/{{name}}/provider/' "$package" >"$tools/javascript/package.json"
    npm install --prefix "$tools/javascript" --no-package-lock --no-audit --no-fund --loglevel=error || fail \
        "the JavaScript packages of $package cannot be installed" \
        "npm says why above. Behind a proxy or a mirror, set what npm reads: HTTPS_PROXY, npm_config_registry."
    cp "$package" "$tools/javascript/installed.json"
fi

if ! cmp --silent "$for_c" "$tools/c/installed.mk"; then
    need_npm
    say "Installing zig, wit-bindgen and jco into $tools/c (a few minutes)"
    rm -rf "$tools/c"
    # Cargo builds in a folder of its own and clears it away, not in ours.
    env --unset=CARGO_TARGET_DIR make --silent --file "$for_c" TOOLS="$tools/c" PYTHON=.venv/bin/python tools || fail \
        "what builds providers in C cannot be installed" \
        "pip, cargo or npm says why above. Behind a proxy or a mirror, set what they read: HTTPS_PROXY, PIP_INDEX_URL, npm_config_registry."
    cp "$for_c" "$tools/c/installed.mk"
fi
