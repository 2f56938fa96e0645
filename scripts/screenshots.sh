#!/usr/bin/env bash
# Takes the pictures in docs/screenshots anew, with the binary at FAREBOX_BIN.
set -euo pipefail
cd "$(dirname "$0")/.."
more="$(mktemp)"
trap 'rm -f "$more"' EXIT
model() {
  cat <<TOML

[[models]]
id = "$1"
context_tokens = 32768
max_output_tokens = 4096
deployments = [{ upstream = "double", model = "$1", weight = 1 }]
price = { input = "$2", output = "$3" }
cost = { input = "$4", output = "$5" }
TOML
}
{
  model qwen3-32b 0.40 1.20 0.22 0.70
  model llama-3.3-70b 0.70 0.90 0.45 0.60
  model mistral-small-24b 0.15 0.45 0.08 0.25
  model bge-m3 0.02 0.00 0.01 0.00
} >"$more"
says='A farebox is the locked box beside a bus driver: passengers pay before they ride, it counts every
coin, and nobody gets on without paying. Here it stands in front of your models: requests are paid from
prepaid credit, exactly, and none is served without it.'
MORE_TOML="$more" UPSTREAM_SAYS="$says" \
  scripts/with-server.sh node scripts/screenshots.mjs
