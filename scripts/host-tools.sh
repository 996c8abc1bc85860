#!/usr/bin/env bash
# Checks for what the host is built with: Rust, and the C compiler that Rust links with
# and that a few of its libraries are written for.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/messages.sh
. scripts/debian.sh

command -v cargo >/dev/null || fail \
    "there is no cargo on the search path" \
    "Install Rust 1.95 or newer with rustup, and open a new shell."

command -v cc >/dev/null || debian_install gcc libc6-dev || fail \
    "there is no C compiler, and it cannot be installed from here" \
    "Run as root: apt-get install gcc libc6-dev"
