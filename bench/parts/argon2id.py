"""Argon2id in a library: ours beside those that others use."""

import os
import subprocess

from .common import BENCH, PEERS, TARGET, binary, cargo, keep, median, number, read, table

PART = "argon2id"
VERSION = "25.1.0"
COSTS = [(65536, 3, 4), (19456, 2, 1), (47104, 1, 1)]
SECONDS = 0.5
RUST, PYTHON, NODE = "rust", "python", "node"
IMPLEMENTATIONS = [
    ("ours", "doorward-argon2id, memory reused", RUST),
    ("rustcrypto-reused", "RustCrypto `argon2` 0.6, memory reused", RUST),
    ("rustcrypto-fresh", "RustCrypto `argon2` 0.6", RUST),
    ("reference-reused", "C reference, -march=native, memory reused", RUST),
    ("reference-fresh", "C reference, -march=native", RUST),
    ("libsodium", "libsodium (of PyNaCl 1.6.2), always one lane", PYTHON),
    ("argon2-cffi", "argon2-cffi 25.1, a thread a lane", PYTHON),
    ("node-rs", "`@node-rs/argon2` 2.2.1", NODE),
]


def install():
    source = PEERS / "reference"
    source.mkdir(parents=True, exist_ok=True)
    name = f"argon2_cffi_bindings-{VERSION}"
    if not (source / name).exists():
        download = ["pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", source]
        subprocess.run([*download, f"argon2-cffi-bindings=={VERSION}"], check=True)
        subprocess.run(["tar", "-xzf", source / f"{name}.tar.gz", "-C", source], check=True)
    cargo(BENCH / "argon2id", "--bin", "rate", ARGON2_SOURCE=str(source / name / "extras/libargon2"))


def run(rounds):
    commands = {
        RUST: [binary("rate")],
        PYTHON: [PEERS / "python/bin/python", BENCH / "peers/hashing.py"],
        NODE: ["node", PEERS / "node/argon2.mjs"],
    }
    processes = {
        kind: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for kind, command in commands.items()
    }

    def ask(kind, *words):
        processes[kind].stdin.write(" ".join(map(str, words)) + "\n")
        processes[kind].stdin.flush()
        hashes, seconds = map(float, processes[kind].stdout.readline().split())
        return hashes / seconds

    try:
        for _ in range(rounds):
            keep(PART, {
                f"{name} {cost}": {"one": ask(kind, name, *cost, 1, SECONDS), "all": ask(kind, name, *cost, os.cpu_count(), SECONDS)}
                for cost in COSTS for name, _, kind in IMPLEMENTATIONS
            })
    finally:
        for process in processes.values():
            process.stdin.close()
            process.wait()


def report():
    rounds = read(PART)
    if not rounds:
        return ""
    rows = []
    for cost in COSTS:
        for name, label, _ in IMPLEMENTATIONS:
            own = [(entry[f"{name} {cost}"], entry[f"ours {cost}"]) for entry in rounds]
            rows.append([
                ", ".join(map(str, cost)), label, number(median(1000 / one["one"] for one, _ in own)),
                number(median(ours["one"] / one["one"] for one, ours in own)),
                number(median(one["all"] for one, _ in own)), number(median(ours["all"] / one["all"] for one, ours in own)),
            ])
    header = ["memory KiB, t, p", "implementation", "one at a time, ms", "ours is × as fast", f"{os.cpu_count()} at a time, hashes a second", "ours is × as fast"]
    return (
        f"## Argon2id\n\nMedians of {len(rounds)} turns of {SECONDS} s; the implementations take turns. Time is the clock's: "
        "*one at a time* lets a peer use a thread for each lane where it can (argon2-cffi; ours stays on one "
        "thread). libsodium has no lanes: its 64 MiB row is with one. What a thread's own processor time says is in "
        f"[argon2id.md](argon2id.md).\n\n{table(header, rows)}\n\n"
        "The aims for AVX-512 (a hash of 64 MiB within 1.1 × of the prototype's 20 ms) "
        + ("are those of a machine like this." if " avx512f " in open("/proc/cpuinfo").read() else
           "are **not measurable here**: this processor has no AVX-512. On AVX2 the aim is to be no slower than the C "
           "reference with its memory reused.")
    )
