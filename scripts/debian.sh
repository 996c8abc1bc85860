# shellcheck shell=bash
# Debian packages, where we may install them. Sourced, after messages.sh.

# Install packages, as root or with a sudo that asks for nothing. Returns false where
# that cannot be done; the caller knows what to say then.
debian_install() {
    local as_root=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -ne 0 ]; then
        sudo --non-interactive true 2>/dev/null || return 1
        as_root=(sudo --non-interactive)
    fi
    say "Installing Debian packages: $*"
    # A fresh image has no package lists, and old ones may name versions that are gone.
    "${as_root[@]}" apt-get -qq update >/dev/null &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install --yes --no-install-recommends "$@" >/dev/null
}
