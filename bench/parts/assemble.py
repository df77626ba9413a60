"""The report, from whatever figures there are."""

import datetime

from . import argon2id, overload, tokens, whole_servers
from .common import BENCH, PEERS, REPORT, machine, output

PACKAGES = ["fastapi", "uvicorn", "pwdlib", "argon2-cffi", "PyJWT", "SQLAlchemy", "asyncpg"]


def versions():
    script = "from importlib.metadata import version as v; print(', '.join(f'{p} {v(p)}' for p in %r))" % PACKAGES
    python = PEERS / "python/bin/python"
    node = "const v = n => JSON.parse(require('fs').readFileSync(`node_modules/${n}/package.json`)).version;" \
           "console.log(['better-auth', '@node-rs/argon2', 'pg'].map(n => `${n} ${v(n)}`).join(', '))"
    import subprocess
    nodes = subprocess.run(["node", "-e", node], cwd=PEERS / "node", capture_output=True, text=True).stdout.strip()
    return [
        f"* {output('rustc', '--version')}; {output('psql', '--version')} (client), the cluster at its defaults, fsync on.",
        f"* {output(str(python), '--version')}: {output(str(python), '-c', script)}.",
        f"* Node {output('node', '--version')}: {nodes}.",
        "* axum-plain: axum 0.8, argon2 0.6 on as many blocking threads as cores, jsonwebtoken 11, sqlx 0.8.",
    ]


def write():
    sections = [
        "# Benchmarks", "",
        f"Made by `bench/run` on {datetime.date.today()}. Written at commit {output('git', 'rev-parse', '--short', 'HEAD')}; parts that were run alone are of a commit before it.", "",
        f"* Machine: {machine()}.", *versions(), "",
        "Absolute figures move from machine to machine; what should hold elsewhere are the ratios. How the peers are set "
        "up is in [bench/peers](../../bench/peers/README.md).", "",
    ]
    # Written by hand: to be read again whenever the figures are new.
    why = (BENCH / "parts/why.md").read_text()
    parts = [*(part.report() for part in [whole_servers, overload, argon2id, tokens]), why.strip()]
    REPORT.write_text("\n".join(sections) + "\n\n".join(part for part in parts if part) + "\n")
    return REPORT
