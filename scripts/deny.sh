#!/usr/bin/env bash
# Checks what Roost is built from, as deny.toml says: licences, bans, sources, and, where
# their database can be fetched, advisories. Gets cargo-deny if it is not there, without
# optimisation: that is built in well under half the time, and the check takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh

version=0.20.2
tools=${CARGO_TARGET_DIR:-target}/tools
PATH=$PATH:$tools/bin

if ! command -v cargo-deny >/dev/null; then
    say "cargo-deny $version"
    cargo install --quiet --locked --debug --root "$tools" --target-dir "$tools/build" \
        "cargo-deny@$version"
    rm -rf "$tools/build"
fi

# Duplicates are shown by `cargo deny check bans`; here they are counted.
duplicates=$(cargo deny --workspace check bans 2>&1 | grep -c '^warning\[duplicate\]' || true)
cargo deny --workspace --log-level error check licenses bans sources
say "$duplicates libraries are built in more than one version"

if timeout 60 cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --workspace --log-level error check --disable-fetch advisories
else
    say "advisories were not looked at: their database cannot be fetched from here"
fi
