#!/usr/bin/env bash
# Builds a guest and puts it where it is loaded from: guest.sh <package> <file>
#
# The file is replaced in one step, and only by other content: a host that watches its
# folder sees a whole new provider or nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/guest-toolchain.sh

package=$1
file=$2
folder=$(dirname "$file")
target_folder=$(cargo metadata --format-version 1 --no-deps |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')

if has_guest_target; then
    cargo build --package "$package" --profile provider --target "$guest_target"
    target=$guest_target
elif has_debian_toolchain; then
    debian_cargo build --package "$package" --profile provider
    target=wasm32-unknown-unknown
else
    fail "there is no toolchain for guests" "Run: make setup"
fi
built=$target_folder/$target/provider/${package//-/_}.wasm

if ! cmp --silent "$built" "$file"; then
    mkdir -p "$folder"
    beside=$folder/.$(basename "$file").new.$$
    cp "$built" "$beside"
    mv -f "$beside" "$file"
    say "$file: $(($(wc -c <"$file") / 1024)) KiB"
fi
