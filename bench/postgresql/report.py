"""docs/reports/postgresql.md, from the raw figures that are there."""

import datetime
import os
import re
import subprocess

import cluster
from . import common, moving, revocation, throughput

FASTAPI = 527, 696


def whole(value):
    return f"{value:,.0f}"


def by_size():
    rounds = common.read(throughput.PART)
    return {size: [one for one in rounds if one["size"] == size] for size in sorted({one["size"] for one in rounds})}


def median_of(rounds, who, what):
    return common.median([one[who][what] for one in rounds])


def ratio(rounds, other):
    return common.median([one["doorward"]["rate"] / one[other]["rate"] for one in rounds])


def spread(rounds, other):
    values = [one["doorward"]["rate"] / one[other]["rate"] for one in rounds]
    return f"{min(values):.2f}–{max(values):.2f}"


def verdict(holds):
    return "yes" if holds else "**no**"


def refreshes():
    sizes = by_size()
    if not sizes:
        return ""
    rows, cost = [], []
    for size, rounds in sizes.items():
        rows.append([
            whole(size), whole(rounds[0]["used"]), whole(median_of(rounds, "doorward", "rate")),
            f"{median_of(rounds, 'doorward', 'p50'):.1f} · {median_of(rounds, 'doorward', 'p99'):.1f}",
            whole(median_of(rounds, "pgbench", "rate")), f"{median_of(rounds, 'pgbench', 'p99'):.1f}",
            whole(median_of(rounds, "pgbench_pool", "rate")),
            f"{ratio(rounds, 'pgbench'):.2f} ({spread(rounds, 'pgbench')})",
            f"{ratio(rounds, 'pgbench_pool'):.2f} ({spread(rounds, 'pgbench_pool')})",
            whole(common.median([one["bytes"] for one in rounds])),
        ])
        cost.append([
            whole(size), whole(median_of(rounds, "doorward", "node")), whole(median_of(rounds, "doorward", "postgres")),
            whole(median_of(rounds, "pgbench", "postgres")), whole(median_of(rounds, "pgbench_pool", "postgres")),
        ])
    header = ["sessions", "of which take turns", "Doorward, a second", "p50 · p99 ms", "pgbench -c 64", "p99 ms",
              "pgbench -c 16", "Doorward ÷ pgbench -c 64", "Doorward ÷ pgbench -c 16", "bytes a session"]
    costs = ["sessions", "Doorward's node", "PostgreSQL under Doorward", "PostgreSQL under pgbench -c 64", "PostgreSQL under pgbench -c 16"]
    count = min(len(rounds) for rounds in sizes.values())
    return f"""## Refreshes beside pgbench

{aims(sizes)}

{common.table(header, rows)}

FastAPI beside Doorward on one machine, in one run: [benchmarks.md](benchmarks.md). A p99 is to be read beside pgbench's own.

Medians of {count} rounds of {throughput.SECONDS} seconds; in each the three ran one after the other on the same cluster and table, a different one first each time; a ratio is the median of those within a round, and the range of them. Before the first round there is a checkpoint and a second of each.

**What is compared.** Doorward: `POST /auth/refresh` by `bench/load`, 64 clients with a kept connection each, HTTP/1.1, every answer checked; the node with its defaults, 16 connections to PostgreSQL, its log written to a file. pgbench: `--protocol=prepared`, one thread, with the statement that a good refresh is (`ROTATE_GOOD` in `crates/doorward-postgres/src/sessions.rs`), committed by itself, as there; with 64 connections, and with as many as the node's pool has. Two things differ: the handle is made from a number by one SHA-256 in the statement, and the successor's hash is that of the token presented, as pgbench keeps nothing. PostgreSQL {settings()}; everything else is its default, `fsync` and `synchronous_commit` among them.

**Everything shares {os.cpu_count()} cores**: under Doorward that is PostgreSQL, the node and the HTTP client; under pgbench PostgreSQL and a client that parses no HTTP. Microseconds of a processor for one refresh:

{common.table(costs, cost)}

The sessions are rows made by `generate_series`, those that are refreshed spread evenly among them. On the larger tables nearly every refresh of a round is the first on its page since the checkpoint, and PostgreSQL writes that page whole into its log.
"""


def aims(sizes):
    rates = {size: median_of(rounds, "doorward", "rate") for size, rounds in sizes.items()}
    ratios = {size: ratio(rounds, "pgbench") for size, rounds in sizes.items()}
    tails = [median_of(rounds, "doorward", "p99") for rounds in sizes.values()]
    flat = rates[max(sizes)] / rates[min(sizes)]
    of_pgbench = median_of(sizes[max(sizes)], "pgbench", "rate") / median_of(sizes[min(sizes)], "pgbench", "rate")
    low = min(rates.values())
    bytes_ = max(common.median([one["bytes"] for one in rounds]) for rounds in sizes.values())
    rows = [
        ["≥ 0.8 × pgbench with the same statement, 64 clients", f"{min(ratios.values()):.2f} to {max(ratios.values()):.2f}", verdict(min(ratios.values()) >= 0.8)],
        ["p99 under 30 ms", f"{max(tails):.1f} ms", verdict(max(tails) < 30)],
        [f"flat from {min(sizes):,} to {max(sizes):,} sessions", f"{flat:.2f} of the rate (pgbench: {of_pgbench:.2f})", verdict(flat >= 0.9)],
        ["≥ 10 × the 527 to 696 a second of FastAPI in PERF.md, another machine", f"{low / FASTAPI[1]:.1f} to {low / FASTAPI[0]:.1f} ×", verdict(low >= 10 * FASTAPI[1])],
        ["a session under 500 bytes on disk, indexes included, after all these refreshes", f"{bytes_:.0f}", verdict(bytes_ < 500)],
    ]
    return common.table(["aim", "measured", "holds"], rows)


def settings():
    return "has " + ", ".join(line for line in throughput.SETTINGS.strip().splitlines())


def revocations():
    entries = common.read(revocation.PART)
    if not entries:
        return ""
    rows = []
    names = {"logout": "logout", "deactivation": "deactivation", "role_change": "role taken away, by the command line"}
    for kind, name in names.items():
        for is_cut in [False, True]:
            values = [value for entry in entries if (entry["kind"], entry["is_cut"]) == (kind, is_cut) for value in entry["milliseconds"]]
            if values:
                figures = [f"{max(0, common.quantile(values, share)):.0f}" for share in [0.5, 0.9, 0.99, 1]]
                at_once = sum(value <= 0 for value in values) / len(values)
                rows.append([name, "cut" if is_cut else "listens", len(values), *figures, f"{at_once:.0%}"])
    header = ["what ended", "the other node", "times", "p50", "p90", "p99", "longest", "refused before it was acknowledged"]
    return f"""## Revocation on the other node

Milliseconds from the answer of node A (or the end of the command) until the first request with the access token that node B refuses. Two processes on one cluster, cheap hashes, some forty refreshes a second on both meanwhile; one connection asks node B without pause. *Cut*: the listening connections of both nodes were ended by `pg_terminate_backend` the moment before, so that nothing was heard and the endings were read by intervals (250 ms). The command line gives no hint: it has no connection for that.

A logout is asked for at `/auth/me`, where node B learns of it from its set of endings. A deactivation (at `/auth/me`) and a lost role (at `/admin/users`) don't depend on the set there: both routes read the account, and the first request after the commit is refused.

{common.table(header, rows)}
"""


def moves():
    entries = common.read(moving.PART)
    if not entries:
        return ""
    rows = []
    for way, name in [("there", "SQLite to PostgreSQL"), ("back", "PostgreSQL to SQLite")]:
        figures = {what: common.median([entry[way][what] for entry in entries]) for what in ["stop", "copy", "start"]}
        rows.append([name, *(f"{value:.1f}" for value in figures.values()), f"{sum(figures.values()):.1f}", whole(entries[0]["rows"] / figures["copy"])])
    header = ["", "stopping", "copying and comparing", "starting, until ready", "the pause, seconds", "rows a second"]
    return f"""## The pause of a move

`doorward store copy` of {moving.ACCOUNTS:,} accounts and {moving.SESSIONS:,} sessions, median of {len(entries)}; source, target and the command on one machine.

{common.table(header, rows)}
"""


def storage():
    """What an fsync costs here: it bounds every commit."""
    program = cluster.postgres_binaries() / "pg_test_fsync"
    with common.alone():
        done = subprocess.run([program, "--secs-per-test=1", "--filename=fsync.probe"], cwd=common.RAW, capture_output=True, text=True)
    found = re.search(r"fdatasync\s+([\d.]+) ops/sec", done.stdout)
    return f"One `fdatasync` of 8 kB takes {1e6 / float(found.group(1)):.0f} µs" if found else "`pg_test_fsync` was not there to say what a commit costs"


def version():
    """Which program was measured, when it isn't the one that stands here."""
    return f"The program measured is {text}." if (text := os.environ.get("MEASURED_VERSION")) else ""


def write():
    made = {"throughput": refreshes(), "revocation": revocations(), "moving": moves()}
    parts = "\n".join(part for part in made.values() if part)
    ways = {(entry["kind"], entry["is_cut"]) for entry in common.read(revocation.PART)}
    is_whole = {"revocation": len(ways) == len(revocation.WAYS)}
    if missing := [f"`bench/postgres {name}`" for name, part in made.items() if not part or not is_whole.get(name, True)]:
        parts += f"\n**Not made yet, or not all of it**: {', '.join(missing)}.\n"
    disk = f" {storage()}." if made["throughput"] else ""
    text = f"""# PostgreSQL

Made by `bench/postgres` on {datetime.date.today()}: {cluster.machine()}; release build.{disk} {version()} Nothing else ran meanwhile; figures compare within a table, not with another day's.

{parts}"""
    (cluster.ROOT / "docs/reports/postgresql.md").write_text(text)
    print(text)
