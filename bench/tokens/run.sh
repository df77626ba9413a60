#!/usr/bin/env bash
# HS256 access tokens beside other libraries: prints a Markdown table. PyJWT and fast-jwt are fetched by pip and npm into
# the build folder, and left out, with a word on standard error, where there is no Python or Node.
set -euo pipefail
cd "$(dirname "$0")"
turns="${1:-15}"
build="$(mkdir -p "${CARGO_TARGET_DIR:-target}/peers" && cd "${CARGO_TARGET_DIR:-target}/peers" && pwd)"
cargo build --quiet --release --locked
program="$build/../release/bench-tokens"
scripts=()
versions="jsonwebtoken $(sed -n '/name = "jsonwebtoken"/{n;s/.*"\(.*\)"/\1/p}' Cargo.lock), jwt-simple $(sed -n '/name = "jwt-simple"/{n;s/.*"\(.*\)"/\1/p}' Cargo.lock)"
if command -v python3 >/dev/null && { [[ -x $build/python/bin/pip ]] || python3 -m venv "$build/python"; } \
  && "$build/python/bin/pip" install --quiet --disable-pip-version-check pyjwt >&2; then
  scripts+=("PyJWT=$build/python/bin/python peers/pyjwt.py")
  versions+=", PyJWT $("$build/python/bin/python" -c 'import jwt, platform; print(jwt.__version__, "on Python", platform.python_version())')"
else
  echo 'no Python: PyJWT is left out' >&2
fi
if command -v node >/dev/null && command -v npm >/dev/null \
  && npm install --silent --no-audit --no-fund --prefix "$build/node" fast-jwt >&2; then
  export NODE_PATH="$build/node/node_modules"
  scripts+=("fast-jwt, no cache=node peers/fast-jwt.cjs")
  versions+=", fast-jwt $(node -p 'require("fast-jwt/package.json").version') on Node $(node --version)"
else
  echo 'no Node: fast-jwt is left out' >&2
fi
echo "* Machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores," \
  "$(grep -qw sha_ni /proc/cpuinfo && echo 'SHA extensions' || echo 'no SHA extensions'), Linux $(uname -r)."
echo "* $(rustc --version); $versions."
echo "* One token of six claims (\`sub\`, \`role\`, \`jti\`, \`iat\`, \`exp\`, \`sid\`). Median of $turns turns; in each turn every" \
  "library, in a process of its own, does both for 30 ms. A ratio is the median of those within a turn. All read the clock."
echo
"$program" "$turns" "${scripts[@]}"
