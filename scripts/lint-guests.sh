#!/usr/bin/env bash
# Lints guests for the target they run on: lint-guests.sh --package <name> ...
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/guest-toolchain.sh

if has_guest_target; then
    cargo clippy "$@" --target "$guest_target" -- -D warnings
else
    # Clippy of the host's Rust cannot read the library that Debian's has built.
    say "Guests are not linted for WebAssembly: Rust has no $guest_target here"
fi
