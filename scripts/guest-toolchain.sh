# shellcheck shell=bash
# The two toolchains that can build a guest. Sourced.
#
# The usual one is the host's own with the target wasm32-wasip2. Where that target cannot
# be had, Debian's second Rust (rustc-web, cargo-web) comes with the source of its
# standard library and builds it for wasm32-unknown-unknown; the linker that makes a
# component is part of every Rust toolchain. Such a guest imports nothing but what the
# contract names, so both routes give a provider that behaves the same.

guest_target=wasm32-wasip2

# Whether the host's Rust can build guests.
has_guest_target() {
    local libraries
    libraries=$(rustc --print target-libdir --target "$guest_target" 2>/dev/null) || return 1
    compgen -G "$libraries/libstd-*" >/dev/null
}

# Whether Debian's can.
has_debian_toolchain() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] &&
        [ -f "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml" ]
}

# Run a command of Debian's cargo for guests: debian_cargo build ...
debian_cargo() {
    local command=$1 tools
    shift
    tools=$(rustc --print sysroot)/lib/rustlib/$(rustc --print host-tuple)/bin
    # The standard library is built with features that only its own compiler may use.
    # Guests say which Rust they need themselves, hence no look at the workspace's.
    PATH="/usr/bin:$tools:$tools/gcc-ld:$PATH" \
        RUSTC=/usr/bin/rustc \
        RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$tools/wasm-component-ld" \
        /usr/bin/cargo "$command" --locked -Zbuild-std=std,panic_abort \
        --target wasm32-unknown-unknown "$@"
}
