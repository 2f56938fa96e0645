#!/usr/bin/env bash
# Runs the browser tests against the binary at FAREBOX_BIN.
set -euo pipefail
exec "$(dirname "$0")/with-server.sh" npm run --silent e2e -- "$@"
