#!/usr/bin/env bash
# Starts the binary on a free port with an empty installation, and runs a command in console/ against it.
# MORE_TOML is a file of further settings; UPSTREAM_… are for console/e2e/upstream.mjs.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
binary="${FAREBOX_BIN:?the path of the farebox binary is missing}"
[ -x "$binary" ] || fail "There is no binary at $binary. Build it first: cargo build -p farebox"
binary="$(realpath "$binary")"

folder="$(mktemp -d)"
server=
upstream=
stop() {
  for process in $server $upstream; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap stop EXIT

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
port="$(free_port)"
upstream_port="$(free_port)"
node console/e2e/upstream.mjs "$upstream_port" &
upstream=$!
cat >"$folder/farebox.toml" <<TOML
listen = "127.0.0.1:$port"
public_url = "http://127.0.0.1:$port"
database_url = "sqlite://$folder/farebox.db"

[[upstreams]]
id = "double"
kind = "openai"
base_url = "http://127.0.0.1:$upstream_port/v1"

[[models]]
id = "hello-1"
context_tokens = 8192
max_output_tokens = 1024
deployments = [{ upstream = "double", model = "hello-1", weight = 1 }]
price = { input = "1.00", output = "2.00" }
cost = { input = "0.10", output = "0.20" }
TOML
[ -z "${MORE_TOML:-}" ] || cat "$MORE_TOML" >>"$folder/farebox.toml"
printf 'correct horse battery staple\n' >"$folder/password"
(cd "$folder" && "$binary" setup --email owner@example.com --organization Acme --credit 20 \
  --password-stdin --json <password >setup.json)
(cd "$folder" && exec "$binary" serve) >"$folder/log" 2>&1 &
server=$!

for _ in $(seq 200); do
  if python3 -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$port/readyz', timeout=1)" 2>/dev/null; then
    break
  fi
  if ! kill -0 "$server" 2>/dev/null; then
    cat "$folder/log" >&2
    fail "The server ended before it was ready; its log is above."
  fi
  sleep 0.1
done

(cd console && FAREBOX_BASE_URL="http://127.0.0.1:$port" "$@") || {
  # What the command said is to stay in sight.
  grep -E ' (WARN|ERROR) ' "$folder/log" | tail -n 5 >&2 || true
  fail "$1 failed; what it says is above, and the server's last warnings."
}
