"""Starts servers and clients for bench/http/run.sh: measure.py PROGRAMS ROUNDS [routes|refresh]"""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

PROGRAMS = pathlib.Path(sys.argv[1])
ROUNDS = int(sys.argv[2])
PARTS = sys.argv[3:] or ["routes", "refresh"]
SECRET = "a secret for the benchmark and for nothing else"
CLIENTS = 64
SECONDS = 5
# Routes are compared with each other: in short turns, for the machine's speed moves from one half minute to the next.
TURNS_A_ROUND = 5
TURN_SECONDS = 0.5
SESSIONS = [10_000, 100_000, 1_000_000]
HELLO = "axum hello"


def bench(*words, core=None):
    """A command of ours, on one core if one is named, and the JSON it prints."""
    command = ["taskset", "-c", str(core)] if core is not None else []
    done = subprocess.run([*command, PROGRAMS / "bench-http", *map(str, words)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout or "null")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command, address, core=None, **environment):
    """A server that accepts connections."""
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    environment = {"PATH": os.environ["PATH"], "SECRET_KEY": SECRET, "RATE_LIMIT_ENABLED": "false", **environment}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*pinned, *command], stdout=subprocess.DEVNULL, stderr=log, env=environment)
        try:
            host, port = address.split(":")
            while True:
                assert process.poll() is None, "a server did not start"
                with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
                    break
                time.sleep(0.002)
            yield address
        finally:
            process.terminate()
            process.wait()


def embedded(folder, core=None):
    address = f"127.0.0.1:{free_port()}"
    return running([PROGRAMS / "bench-http", "serve", address, folder], address, core)


def doorward(folder, core=None, **environment):
    address = f"127.0.0.1:{free_port()}"
    return running([PROGRAMS / "doorward", "serve", "--bind", address], address, core, DATA_DIR=str(folder), **environment)


def access_token(address, folder):
    """Through a refresh of the first session, whose new refresh token nobody needs."""
    first, _, rest = (folder / "tokens").read_text().partition("\n")
    (folder / "tokens").write_text(rest)
    request = urllib.request.Request(
        f"http://{address}/auth/refresh", json.dumps({"refresh_token": first}).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


def routes(folder):
    """The rate of each route, a list of one figure a round."""
    own = [folder / name for name in ["application", "quiet", "logging"]]
    for place in own:
        place.mkdir()
        bench("fill", place, 10_000)
    rates = {}
    with embedded(own[0], 0) as application, doorward(own[1], 0, LOG_LEVEL="warn") as quiet, doorward(own[2], 0) as logging:
        bearer = {address: access_token(address, place) for address, place in zip([application, quiet, logging], own)}
        targets = [
            (HELLO, application, "/hello", False),
            ("`CurrentUser` in the same application", application, "/guarded", True),
            ("axum hello under `with_layers`", application, "/layered/hello", False),
            ("`CurrentUser` under `with_layers`", application, "/layered/guarded", True),
            ("`/auth/me` in the same application", application, "/auth/me", True),
            ("`/health` of `doorward serve`, no log of requests", quiet, "/health", False),
            ("`/auth/me` of `doorward serve`, no log of requests", quiet, "/auth/me", True),
            ("`/auth/me` of `doorward serve`, each request logged", logging, "/auth/me", True),
        ]
        for _ in range(ROUNDS * TURNS_A_ROUND):
            for name, address, path, is_guarded in targets:
                seen = bench("ask", address, path, bearer[address] if is_guarded else "-", CLIENTS, TURN_SECONDS, core=1)
                assert seen["faults"] == 0, f"{name}: {seen}"
                rates.setdefault(name, []).append(seen["rate"])
    return rates


def refresh(folder):
    """What was seen of each number of sessions, a list of one entry a round."""
    places = {count: folder / str(count) for count in SESSIONS}
    for count, place in places.items():
        place.mkdir()
        bench("fill", place, count)
    seen = {}
    for _ in range(ROUNDS):
        for count, place in places.items():
            for name, level in [("no log of requests", "warn"), ("each request logged", "info")]:
                with doorward(place, LOG_LEVEL=level) as address:
                    entry = bench("refresh", address, place / "tokens", CLIENTS, SECONDS)
                assert entry["faults"] == 0, f"{count}: {entry}"
                seen.setdefault((name, count), []).append(entry)
    return seen


def table(header, rows):
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def routes_report(rates):
    rows, ratio = [], {}
    for name, own in rates.items():
        ratio[name] = statistics.median(one / hello for one, hello in zip(own, rates[HELLO]))
        rows.append([name, f"{statistics.median(own):,.0f}", f"{ratio[name]:.3f}"])
    aims = [("`CurrentUser` in the same application", 0.85), ("`/auth/me` in the same application", 0.6)]
    verdicts = [f"* {name}: at least {aim} × hello; {ratio[name]:.3f}: {'held' if ratio[name] >= aim else '**missed**'}."
                for name, aim in aims]
    return "\n".join([
        "## Routes, requests a second", "",
        f"Server on one core, client on the other, which it never leaves idle, {CLIENTS} connections. Medians of {ROUNDS * TURNS_A_ROUND} turns of {TURN_SECONDS} s; a ratio is "
        "the median of those within a turn. The application, `bench/http/src/application.rs`, is served by `axum::serve`. "
        "`with_layers` gives each request an id, a span and an event (nobody listening there), bounded bodies, a panic "
        "barrier and the headers that browsers heed; `doorward serve` has them too, and its own watch over connections.",
        "", table(["route", "a second", "× hello"], rows), "", *verdicts])


def refresh_report(seen):
    rows, verdicts = [], []
    for (name, count), entries in seen.items():
        rate, half, most = (statistics.median(entry[key] for entry in entries) for key in ["rate", "p50", "p99"])
        rows.append([f"{count:,}", name, f"{rate:,.0f}", f"{half:.2f}", f"{most:.2f}"])
        if name.startswith("no log"):
            verdicts.append(f"* {count:,} sessions: at least 15,000 a second, p99 under 20 ms: "
                            f"{'held' if rate >= 15_000 and most < 20 else f'**missed**, {rate / 15_000:.2f} of the rate'}.")
    return "\n".join([
        "## Refresh on SQLite, `doorward serve`", "",
        f"{CLIENTS} clients, each with one refresh under way and its share of the sessions, of which it takes one after the other (a hundred thousand of the million, spread evenly). WAL, "
        "synchronous=FULL: an answer comes after its commit was synced. The client shares the two cores. Medians of "
        f"{ROUNDS} turns of {SECONDS} s.",
        "", table(["sessions", "log", "a second", "p50 ms", "p99 ms"], rows), "", *verdicts])


def main():
    # On a disk: in many places /tmp is memory, where a sync costs nothing.
    folder = pathlib.Path(tempfile.mkdtemp(dir=PROGRAMS))
    try:
        print("\n\n".join(report(measure(folder)) for part, measure, report in
                          [("routes", routes, routes_report), ("refresh", refresh, refresh_report)] if part in PARTS))
    finally:
        shutil.rmtree(folder)


main()
