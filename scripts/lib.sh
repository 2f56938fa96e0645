# Sourced by the scripts beside it: finding out what is missing, and installing it.

say() { printf '%s\n' "$*"; }

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Installs Debian packages; as root directly, otherwise through sudo.
apt_install() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    has sudo || fail "Please install these packages as root and try again: $*"
    as_root=(sudo)
  fi
  has apt-get || fail "Please install the equivalent of these Debian packages and try again: $*"
  say "Installing $* (apt-get)…"
  if [ -z "${APT_UPDATED:-}" ]; then
    "${as_root[@]}" apt-get update -qq
    APT_UPDATED=yes
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
