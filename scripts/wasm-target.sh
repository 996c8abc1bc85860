#!/usr/bin/env bash
# Sees to it that guests can be built, one way or the other.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/debian.sh
. scripts/guest-toolchain.sh

if has_guest_target || has_debian_toolchain; then
    exit 0
fi

if command -v rustup >/dev/null; then
    say "Adding the target $guest_target to Rust (a few seconds)"
    rustup target add "$guest_target" >&2 || say "rustup cannot download it"
fi
if has_guest_target; then
    exit 0
fi

say "Falling back on Debian's Rust for WebAssembly"
debian_install rustc-web cargo-web rust-web-src && has_debian_toolchain || fail \
    "there is no way to build WebAssembly here" \
    "Either: rustup target add $guest_target" \
    "Or, as root, on Debian: apt-get install rustc-web cargo-web rust-web-src"
