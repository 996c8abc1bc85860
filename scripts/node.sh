#!/usr/bin/env bash
# What the tests' JavaScript needs, in tests/js/node_modules.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/debian.sh

requirements=tests/js/package.json
# A copy of what was installed last: present and the same, there is nothing to do.
installed=tests/js/node_modules/installed.json

if cmp --silent "$requirements" "$installed"; then
    exit 0
fi

command -v npm >/dev/null || debian_install nodejs npm || fail \
    "there is no npm" \
    "Install Node.js 18.19 or newer"

say "Installing OpenTelemetry for JavaScript into tests/js/node_modules"
npm install --prefix tests/js --no-package-lock --no-audit --no-fund --loglevel=error || fail \
    "the JavaScript packages of $requirements cannot be installed" \
    "npm says why above. Behind a proxy or a mirror, set what npm reads: HTTPS_PROXY, npm_config_registry."
cp "$requirements" "$installed"
