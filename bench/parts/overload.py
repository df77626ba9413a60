"""Five hundred logins at once, and what others notice of it."""

import pathlib
import statistics

from . import plot
from .common import PLOTS, keep, number, output, read, table
from .servers import DOORWARD, SERVERS, start
from .whole_servers import ACCOUNTS, MIB

PART = "overload"
LOGINS = 500
SECONDS = 75
WORKER_MIB = 64


def run(only, rounds):
    """Doorward so many times, the others once: some take the whole time each time."""
    commit = output("git", "rev-parse", "--short", "HEAD")
    for server in SERVERS:
        if only and server.key not in only:
            continue
        for _ in range(rounds if server.key.startswith("doorward") else 1):
            with start(server) as running:
                running.load("prepare", ACCOUNTS)
                idle, stolen = running.resident(), stolen_ms()
                figures = running.load("overload", LOGINS, SECONDS, running.process.pid)
            keep(PART, {"server": server.key, "commit": commit, "before": idle, "stolen": stolen_ms() - stolen, **figures})


def stolen_ms():
    """For how long the host had something else to do than to run our cores, since the machine started."""
    return int(pathlib.Path("/proc/stat").read_text().split()[8]) * 10


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


def seen(entry):
    """The figures of one run."""
    end = max(moment + latency / 1000 for moment, latency, _ in entry["logins"])
    figures = {"end": end, "memory": max(memory for _, memory in entry["memory"]) / MIB, "stolen": entry.get("stolen")}
    for kind in ["health", "refresh"]:
        values = during(entry[kind], end)
        figures |= {f"{kind} p50": quantile(values, 0.5), f"{kind} p99": quantile(values, 0.99)}
    figures["faults"] = sum(status != "200" for kind in ["health", "refresh"] for _, _, status in entry[kind])
    return figures


def statuses(entry):
    return {status: sum(other == status for _, _, other in entry["logins"]) for _, _, status in entry["logins"]}


def medians(runs):
    every = [seen(entry) for entry in runs]
    known = {name: [one[name] for one in every if one[name] is not None] for name in every[0]}
    return {name: statistics.median(values) if values else None for name, values in known.items()}


def summary(runs):
    figures = medians(runs)
    answered = "  ".join(f"{count} × {status}" for status, count in sorted(statuses(runs[-1]).items()))
    columns = ["end", "health p50", "health p99", "refresh p50", "refresh p99", "faults", "memory", "stolen"]
    return [len(runs), answered, *(number(figures[column]) for column in columns)]


def newest():
    """The runs of each server at the newest commit at which it was asked."""
    runs = {}
    for entry in read(PART):
        own = runs.setdefault(entry["server"], [])
        if own and own[-1].get("commit") != entry.get("commit"):
            own.clear()
        own.append(entry)
    return runs


def report():
    runs = newest()
    if not runs:
        return ""
    # The last run of each.
    shown = [(index, server, runs[server.key][-1]) for index, server in enumerate(SERVERS) if server.key in runs]
    header = ["server", "runs", "logins answered", "after s", "/health p50 ms", "p99", "refresh p50 ms", "p99",
              "probes that failed", "most MiB", "stolen ms"]
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
        f"Medians of the runs; what the logins were answered is of the last, and so are the plots. "
        f"{LOGINS} connections ask to log in at the same moment; others ask `/health` and refresh every 20 ms "
        "whatever comes back, from a second before until two seconds after the last login. A probe's latency counts from "
        "the moment at which it was to be sent. Doorward's queue holds who can be served within ten seconds; who can't gets "
        "503 `OVERLOADED` with `Retry-After` at once.", "",
        "A server on a shared machine can be stopped by the host, for some 100 ms at a time: *stolen* is how long the host "
        "kept our cores waiting during a run, both together.", "",
        table(header, [[server.label, *summary(runs[server.key])] for _, server, _ in shown]), "",
        *verdict(runs), "", *images,
    ])


def verdict(runs):
    import os

    if DOORWARD not in runs:
        return []
    ceiling = os.cpu_count() * WORKER_MIB + 50
    lines = [f"Aims: resident memory ≤ workers × buffer + 50 MiB = {ceiling} MiB; `/health` and refresh under 50 ms at p99; "
             "no 5xx but 503 `OVERLOADED`.", ""]
    for key, own in runs.items():
        if not key.startswith("doorward"):
            continue
        figures, odd = medians(own), {status for entry in own for status in statuses(entry)} - {"200", "503"}
        most, slow = figures["memory"], [figures["health p99"], figures["refresh p99"]]
        holds = most <= ceiling and max(slow) < 50 and not odd
        lines.append(f"* {key}: {most:.0f} MiB, p99 {slow[0]:.1f} and {slow[1]:.1f} ms, "
                     f"other answers: {', '.join(sorted(odd)) or 'none'}: {'held' if holds else '**missed**'}.")
    return lines
