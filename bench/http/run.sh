#!/usr/bin/env bash
# Guarded routes beside axum's hello, and refreshes on SQLite with ten thousand to a million sessions: prints Markdown.
# `run.sh ROUNDS [routes|refresh]`: one part alone, for a machine that isn't free for five minutes at a time.
set -euo pipefail
cd "$(dirname "$0")"
target="$(mkdir -p "${CARGO_TARGET_DIR:-../../target}" && cd "${CARGO_TARGET_DIR:-../../target}" && pwd)"
export CARGO_TARGET_DIR="$target"
cargo build --quiet --release --locked
(cd ../.. && cargo build --quiet --release --locked --bin doorward)
exec python3 measure.py "$target/release" "${1:-5}" "${@:2}"
