#!/usr/bin/env bash
# Runs a server in target/dev and Vite in front of it. Both end with Ctrl-C.
# With cargo-watch installed the server restarts when its sources change.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
root="$PWD"
folder="${CARGO_TARGET_DIR:-$root/target}/dev"
mkdir -p "$folder"
folder="$(realpath "$folder")"
# One group of processes, so that nothing survives this script.
trap 'trap - EXIT; kill 0' EXIT INT TERM

cargo build -p farebox
if [ ! -e "$folder/farebox.db" ]; then
  say "Setting up an installation in $folder. Its keys are shown once:"
  (cd "$folder" && cargo run --quiet --manifest-path "$root/Cargo.toml" -p farebox -- \
    setup --email dev@example.com --organization Development --credit 100)
fi

say "Server:  http://127.0.0.1:8080 (its folder: $folder; put a farebox.toml there)"
say "Console: http://127.0.0.1:5173"
(cd console && npx vite --clearScreen false) &
cd "$folder"
if cargo watch --version >/dev/null 2>&1; then
  cargo watch --quiet --workdir "$folder" --watch "$root/crates" \
    --exec "run --manifest-path $root/Cargo.toml -p farebox -- serve" &
else
  say "(Install cargo-watch to have the server restarted when its sources change.)"
  cargo run --quiet --manifest-path "$root/Cargo.toml" -p farebox -- serve &
fi
wait -n
