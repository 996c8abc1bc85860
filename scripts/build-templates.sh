#!/usr/bin/env bash
# Builds what `roost new` writes in each language, with the tools of languages.sh:
# build-templates.sh <roost> <folder>. The components are my-rust/my-rust.wasm and so on below it.
set -euo pipefail
cd "$(dirname "$0")/.."

roost=$(realpath "$1")
rm -rf "$2"
mkdir -p "$2"
folder=$(realpath "$2")
target=$(realpath "${CARGO_TARGET_DIR:-target}")

export CARGO_TARGET_DIR=$target/templates
export COMPONENTIZE=$target/tools/python/bin/componentize-py
export NPM_INSTALL="ln -s $target/tools/javascript/node_modules node_modules"
export TOOLS=$target/tools/c
for language in rust python javascript c; do
    "$roost" new "my-$language" --lang "$language" --into "$folder" >/dev/null
    make --silent --directory "$folder/my-$language" >&2
done
