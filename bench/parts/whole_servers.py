"""Whole servers, asked the same by the same client over loopback."""

import json
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

from . import plot
from .common import PLOTS, binary, keep, median, number, output, read, table
from .servers import DOORWARD, DOORWARD_PG, SERVERS, start

PART = "servers"
ACCOUNTS = 64
LOGINS = {1: 15, 16: 48, 100: 120}
SECONDS = 2.5
MIB = 2**20


class Peak:
    """The most memory a server was seen to hold."""

    def __init__(self, running):
        self.running, self.bytes, self.is_over = running, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.is_over.wait(0.05):
            self.bytes = max(self.bytes, self.running.resident())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def measure(server):
    with start(server) as running:
        figures = {"start": running.first_answer_ms, "idle": running.idle_bytes}
        running.load("prepare", ACCOUNTS)
        for operation in ["refresh", "read"]:
            running.load("closed", operation, ACCOUNTS, 0.5)
            figures[operation] = running.load("closed", operation, ACCOUNTS, SECONDS)
        with Peak(running) as peak:
            for clients, requests in LOGINS.items():
                figures[f"login{clients}"] = running.load("counted", "login", clients, requests)
        figures["peak"] = peak.bytes
        return figures


def size(path):
    path = Path(path)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def run(only):
    """One round: every server once, and the raw pool."""
    entry = {"commit": output("git", "rev-parse", "--short", "HEAD"), "pool": json.loads(subprocess.check_output([binary("pool"), "3"]))}
    for server in SERVERS:
        if not only or server.key in only:
            entry[server.key] = measure(server)
            time.sleep(0.5)
    keep(PART, entry)


def newest(rounds, key):
    """What was seen of a server, at the newest commit at which it was asked."""
    own = [entry for entry in rounds if key in entry]
    return [entry[key] for entry in own if entry["commit"] == own[-1]["commit"]]


def rates(rounds, key, operation):
    return [one[operation]["rate"] for one in newest(rounds, key)]


def ratio(rounds, key, operation, other):
    """The median of the ratios within a round."""
    pairs = [(entry[key][operation]["rate"], entry[other][operation]["rate"])
             for entry in rounds if key in entry and other in entry]
    return median(first / second for first, second in pairs)


def faults(rounds, key, operation):
    """How many answers were not what they should be."""
    counts = [one[operation]["statuses"] for one in newest(rounds, key)]
    return sum(count for statuses in counts for status, count in statuses.items() if status != "good")


def operation_table(rounds, operation):
    rows = []
    for server in SERVERS:
        own = [one[operation] for one in newest(rounds, server.key)]
        if not own:
            continue
        against = [ratio(rounds, doorward, operation, server.key) for doorward in [DOORWARD, DOORWARD_PG]]
        rows.append([
            server.label, number(median(one["rate"] for one in own)), number(median(one["p50"] for one in own)),
            number(median(one["p99"] for one in own)), faults(rounds, server.key, operation), *map(number, against),
        ])
    header = ["server", "a second", "p50 ms", "p99 ms", "faults", "Doorward/SQLite is × as fast", "Doorward/PostgreSQL"]
    return table(header, rows)


def resources(rounds):
    rows = []
    for server in SERVERS:
        own = newest(rounds, server.key)
        if own:
            figures = [own_figure / MIB for own_figure in
                       [median(one["idle"] for one in own), median(one["peak"] for one in own)]]
            installed = sum(map(size, server.install)) / MIB
            rows.append([server.label, number(median(one["start"] for one in own)), *map(number, figures), number(installed)])
    header = ["server", "start to first 200, ms", "idle MiB, before the first hash", "most MiB under logins", "installed, MiB"]
    return table(header, rows)


def aims(rounds):
    pool = median(entry["pool"]["rate"] for entry in rounds)
    share = {key: median(entry[key]["login16"]["rate"] / entry["pool"]["rate"] for entry in rounds if key in entry)
             for key in [DOORWARD, DOORWARD_PG]}
    rows = []

    def row(aim, figures, holds):
        rows.append([aim, *figures, "yes" if all(holds) else "**no**"])

    def factor(aim, operation, others, least):
        both = [[ratio(rounds, doorward, operation, other) for other in others] for doorward in [DOORWARD, DOORWARD_PG]]
        figures = [" · ".join(f"{number(value)}×" for value in values) for values in both]
        row(aim, figures, [value >= wanted for values, wanted in zip(both, least) for value in values])

    fastapi = ["fastapi-1", "fastapi-2"]
    factor("login, 100 clients: ≥ 6 × FastAPI (1 · 2 workers)", "login100", fastapi, [6, 6])
    row(f"logins a second ≥ 0.93 × the hashing pool alone ({number(pool)} a second)",
        [f"{share[key]:.3f}" for key in share], [value >= 0.93 for value in share.values()])
    factor("refresh, 64 clients: ≥ 15 × FastAPI on SQLite, ≥ 10 × on PostgreSQL (1 · 2 workers)", "refresh", fastapi, [15, 10])
    for name, figure, most, unit in [("start to first 200", "start", 50, 1), ("idle memory, MiB", "idle", 25, MIB)]:
        values = [median(one[figure] for one in newest(rounds, key)) / unit for key in share]
        row(f"{name} < {most}", [number(value) for value in values], [value < most for value in values])
    megabytes = size(binary("doorward")) / MIB
    row("binary < 25 MiB", [number(megabytes)] * 2, [megabytes < 25])
    return table(["aim", "SQLite", "PostgreSQL", "holds"], rows)


def report():
    rounds = read(PART)
    if not rounds:
        return ""
    PLOTS.mkdir(parents=True, exist_ok=True)
    commits = Counter((entry["commit"], all(server.key in entry for server in SERVERS)) for entry in rounds)
    asked = ", ".join(f"{count} {'of all' if is_whole else 'of Doorward alone'} at commit {commit}"
                      for (commit, is_whole), count in commits.items())
    lines = [f"## Whole servers\n\n{len(rounds)} rounds: {asked}. In each, every server was started on an empty database, given "
             f"{ACCOUNTS} accounts, and asked by `bench/load`, one after the other. What is said of one "
             "server is the median at the newest commit at which it was asked; a ratio is the median of the ratios within a "
             "round. Client, server and PostgreSQL share the machine's cores: for logins the client costs nothing, of a "
             "refresh or a read it takes its share. Every hash is Argon2id with 64 MiB, 3 passes, 4 lanes. Doorward ran "
             "with `RATE_LIMIT_ENABLED=false`, the others have no limits or had them off.\n\n### The aims\n", aims(rounds)]
    titles = {"login1": "Login, one client", "login16": "Login, 16 clients", "login100": "Login, 100 clients",
              "refresh": "Refresh, 64 clients", "read": "An authenticated read, 64 clients"}
    for operation, title in titles.items():
        lines.append(f"\n### {title}\n\n{operation_table(rounds, operation)}")
        if operation in ["login100", "refresh"]:
            bars = [(server.label, median(rates(rounds, server.key, operation))) for server in SERVERS
                    if rates(rounds, server.key, operation)]
            (PLOTS / f"{operation}.svg").write_text(plot.bars(f"{title}: answers a second", bars))
            lines.append(f"\n![{title}](benchmarks/{operation}.svg)")
    lines.append("\nbetter-auth has no refresh token to rotate: measured instead is its jwt plugin's `/token`, a new access "
                 "token for a session's cookie, which writes nothing. Its read is `/get-session`, without its cookie "
                 "cache, so that an ended session is refused at once, as at Doorward.")
    lines.append(f"\n### Start, memory, size\n\n{resources(rounds)}\n\nInstalled is the binary, or the folder of packages "
                 "beside Python's or Node's own. Memory is resident memory, children included (shared pages counted for each).")
    return "\n".join(lines)
