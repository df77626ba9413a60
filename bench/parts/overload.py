"""Five hundred logins at once, and what others notice of it."""

from . import plot
from .common import PLOTS, keep, number, read, table
from .servers import DOORWARD, SERVERS, start
from .whole_servers import ACCOUNTS, MIB

PART = "overload"
LOGINS = 500
SECONDS = 75
WORKER_MIB = 64


def run(only):
    for server in SERVERS:
        if only and server.key not in only:
            continue
        with start(server) as running:
            running.load("prepare", ACCOUNTS)
            idle = running.resident()
            figures = running.load("overload", LOGINS, SECONDS, running.process.pid)
        keep(PART, {"server": server.key, "before": idle, **figures})


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def during(rows, end):
    """The latencies of what was to be sent while logins were under way."""
    return [latency for moment, latency, _ in rows if 0 <= moment <= end]


def smooth(rows, width=0.25):
    """The slowest of each quarter of a second."""
    slots = {}
    for moment, latency, _ in rows:
        slots[int(moment // width)] = max(slots.get(int(moment // width), 0), latency)
    return [(slot * width, value) for slot, value in sorted(slots.items())]


def answered(rows, is_wanted):
    """How many had been answered, over time."""
    moments = sorted(moment + latency / 1000 for moment, latency, status in rows if is_wanted(status))
    return [(0, 0), *((moment, count + 1) for count, moment in enumerate(moments))]


def summary(entry):
    end = max(moment + latency / 1000 for moment, latency, _ in entry["logins"])
    statuses = {}
    for _, _, status in entry["logins"]:
        statuses[status] = statuses.get(status, 0) + 1
    faults = sum(status != "200" for kind in ["health", "refresh"] for _, _, status in entry[kind])
    row = ["  ".join(f"{count} × {status}" for status, count in sorted(statuses.items())), number(end)]
    for kind in ["health", "refresh"]:
        values = during(entry[kind], end)
        row += [number(quantile(values, 0.5)), number(quantile(values, 0.99))]
    return [*row, faults, number(max(memory for _, memory in entry["memory"]) / MIB)]


def report():
    # The last run of each.
    entries = {entry["server"]: entry for entry in read(PART)}
    if not entries:
        return ""
    shown = [(index, server, entries[server.key]) for index, server in enumerate(SERVERS) if server.key in entries]
    header = ["server", "logins answered", "after s", "/health p50 ms", "p99", "refresh p50 ms", "p99", "probes that failed", "most MiB"]
    PLOTS.mkdir(parents=True, exist_ok=True)
    for name, title, unit, limit, rows in [
        ("memory", "Resident memory while 500 log in at once", "MiB", None,
         lambda entry: [(moment, memory / MIB) for moment, memory in entry["memory"]]),
        ("health", "/health every 20 ms meanwhile: the slowest of each quarter second", "ms, logarithmic", (50, "50 ms"),
         lambda entry: smooth(entry["health"])),
        ("refresh-meanwhile", "A refresh every 20 ms meanwhile: the slowest of each quarter second", "ms, logarithmic",
         (50, "50 ms"), lambda entry: smooth(entry["refresh"])),
        ("answers", "Logins answered with a session", "of 500", None,
         lambda entry: answered(entry["logins"], lambda status: status == "200")),
        ("refusals", "Logins answered otherwise (503, connection closed)", "of 500", None,
         lambda entry: answered(entry["logins"], lambda status: status != "200")),
    ]:
        series = [(server.label, index, rows(entry)) for index, server, entry in shown]
        if name == "refusals":
            series = [one for one in series if len(one[2]) > 1]
        if series:
            (PLOTS / f"{name}.svg").write_text(plot.lines(title, unit, series, limit is not None, limit))
        else:
            (PLOTS / f"{name}.svg").unlink(missing_ok=True)
    images = [f"![{name}](benchmarks/{name}.svg)" for name in ["memory", "health", "refresh-meanwhile", "answers", "refusals"]
              if (PLOTS / f"{name}.svg").exists()]
    return "\n".join([
        f"## {LOGINS} logins at once", "",
        f"One run each. {LOGINS} connections ask to log in at the same moment; others ask `/health` and refresh every 20 ms "
        "whatever comes back, from a second before until two seconds after the last login. A probe's latency counts from "
        "the moment at which it was to be sent. Doorward's queue holds who can be served within ten seconds; who can't gets "
        "503 `OVERLOADED` with `Retry-After` at once.", "",
        table(header, [[server.label, *summary(entry)] for _, server, entry in shown]), "",
        *verdict(entries), "", *images,
    ])


def verdict(entries):
    import os

    if DOORWARD not in entries:
        return []
    ceiling = os.cpu_count() * WORKER_MIB + 50
    lines = [f"Aims: resident memory ≤ workers × buffer + 50 MiB = {ceiling} MiB; `/health` and refresh under 50 ms at p99; "
             "no 5xx but 503 `OVERLOADED`.", ""]
    for key, entry in entries.items():
        if not key.startswith("doorward"):
            continue
        end = max(moment + latency / 1000 for moment, latency, _ in entry["logins"])
        most = max(memory for _, memory in entry["memory"]) / MIB
        slow = {kind: quantile(during(entry[kind], end), 0.99) for kind in ["health", "refresh"]}
        odd = {status for _, _, status in entry["logins"]} - {"200", "503"}
        holds = most <= ceiling and max(slow.values()) < 50 and not odd
        lines.append(f"* {key}: {most:.0f} MiB, p99 {slow['health']:.1f} and {slow['refresh']:.1f} ms, "
                     f"other answers: {', '.join(sorted(odd)) or 'none'}: {'held' if holds else '**missed**'}.")
    return lines
