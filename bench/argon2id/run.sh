#!/bin/sh
# Makes docs/reports/argon2id.md again. Needs cargo, a C compiler, and pip, which fetches the C reference
# implementation as argon2-cffi-bindings carries it.
set -eu
cd "$(dirname "$0")"
turns="${1:-15}"
version=25.1.0
build="${CARGO_TARGET_DIR:-target}/reference"
mkdir -p "$build"
if [ ! -d "$build/argon2_cffi_bindings-$version" ]; then
    pip download --quiet --no-deps --no-binary :all: --dest "$build" "argon2-cffi-bindings==$version"
    tar -xzf "$build/argon2_cffi_bindings-$version.tar.gz" -C "$build"
fi
ARGON2_SOURCE="$(cd "$build" && pwd)/argon2_cffi_bindings-$version/extras/libargon2"
export ARGON2_SOURCE
cargo build --quiet --release
table="$(cargo run --quiet --release -- "$turns")"
mkdir -p ../../docs/reports
report=../../docs/reports/argon2id.md
{
    echo "# Argon2id on one thread"
    echo
    echo "Made by \`bench/argon2id/run.sh $turns\` on $(date -u +%F)."
    echo
    echo "* Machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores," \
        "$(grep -qw avx512f /proc/cpuinfo && echo 'AVX-512' || echo 'AVX2, no AVX-512')," \
        "Linux $(uname -r), transparent huge pages $(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/mm/transparent_hugepage/enabled)."
    echo "* $(rustc --version); C reference (argon2-cffi-bindings $version) by $(cc --version | head -1), -O3 -march=native."
    echo "* Load of the machine as the run ended: $(cut -d' ' -f1-3 /proc/loadavg). The times are the hashing thread's" \
        "processor time, not the clock's: work beside it still slows it, by the caches and memory that it takes."
    echo "* Median of $turns turns; the implementations take turns, and a ratio is the median of those within a turn."
    echo
    echo "$table"
} > "$report"
echo "$report"
