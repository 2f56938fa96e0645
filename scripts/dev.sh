#!/usr/bin/env bash
# Runs a server in target/dev, a model server that says hello, and Vite in front: the console reloads as
# it is edited. All end with Ctrl-C. With cargo-watch the server restarts when its sources change.
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
if [ ! -e "$folder/farebox.toml" ]; then
  # Links in messages, and the way back from paying, lead to Vite.
  cat >"$folder/farebox.toml" <<'TOML'
listen = "127.0.0.1:8080"
public_url = "http://127.0.0.1:5173"

[[upstreams]]
id = "hello"
kind = "openai"
base_url = "http://127.0.0.1:8081/v1"

[[models]]
id = "hello-1"
context_tokens = 8192
max_output_tokens = 1024
deployments = [{ upstream = "hello", model = "hello-1" }]
price = { input = "1.00", output = "2.00" }
TOML
fi
run() { cargo run --quiet --manifest-path "$root/Cargo.toml" -p farebox -- "$@"; }
if [ ! -e "$folder/farebox.db" ]; then
  say "Setting up an installation in $folder. Its keys are shown once:"
  (cd "$folder" && printf 'only for development\n' |
    run setup --email dev@example.com --organization Development --credit 100 --password-stdin)
fi

say "Console: http://127.0.0.1:5173  (dev@example.com, password: only for development)"
say "Server:  http://127.0.0.1:8080  (configured by $folder/farebox.toml)"
node console/e2e/upstream.mjs 8081 &
(cd console && npx vite --clearScreen false --host 127.0.0.1 --port 5173 --strictPort) &
cd "$folder"
if cargo watch --version >/dev/null 2>&1; then
  cargo watch --quiet --workdir "$folder" --watch "$root/crates" \
    --exec "run --manifest-path $root/Cargo.toml -p farebox -- serve" &
else
  say "(Install cargo-watch to have the server restarted when its sources change.)"
  run serve &
fi
wait -n
