#!/usr/bin/env bash
# Installs what the tests need beyond a build: PostgreSQL, Chromium, the SDKs. Quick when all is there.
# Usage: install-test-deps.sh TARGET_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
target="${1:?the target folder is missing}"

# The tests start servers of their own; only the programs are needed.
if ! has initdb && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  apt_install postgresql
fi

if [ -z "${CHROMIUM_PATH:-}" ] && ! has chromium && ! has chromium-browser && ! has google-chrome; then
  apt_install chromium
fi

# ensurepip is what Debian leaves out of python3 and puts into python3-venv.
python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
requirements=tests/sdk/python/requirements.txt
if ! cmp -s "$requirements" "$target/venv/installed.txt"; then
  say "Installing the Python SDK, pytest, schemathesis and localstripe into $target/venv…"
  rm -rf "$target/venv"
  mkdir -p "$target"
  python3 -m venv "$target/venv"
  "$target/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$target/venv/installed.txt"
fi

# npm writes this file last, so it tells whether an installation finished.
npm_install() {
  local lock=$1/package-lock.json installed=$1/node_modules/.package-lock.json
  if [ ! "$lock" -ot "$installed" ] || [ ! -e "$installed" ]; then
    say "Installing $2…"
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error)
    touch "$installed"
  fi
}
npm_install tests/sdk/node "the Node SDK"
npm_install tests/openapi "what lints openapi.json and imports it into Postman"
