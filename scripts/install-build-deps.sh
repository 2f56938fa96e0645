#!/usr/bin/env bash
# Checks the tools that a build needs, and installs the small ones that are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

has cargo || fail "Rust is missing. Install it from https://rustup.rs and try again."
has node || fail "Node.js is missing. Version 20.19 or newer is needed: https://nodejs.org"
has npm || fail "npm is missing. It comes with Node.js: https://nodejs.org"
node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
  fail "Node.js $(node --version) is too old. Version 20.19 or newer is needed: https://nodejs.org"
has python3 || apt_install python3
python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
# SQLite is compiled into the binary.
has cc || apt_install build-essential

say "$(cargo --version | cut -d' ' -f1-2), node $(node --version), $(python3 --version)"
