#!/usr/bin/env python3
"""Can accounts be told apart by time? Asks a real server and writes docs/reports/login-timing.md.

Three kinds of address take turns, in random order, on one connection: one that nobody has, one that somebody has, and
that of a deactivated account. Each is asked with a wrong password for a login, and to recover the account. Reported are
the medians, their distance, and the two-sided Mann-Whitney test of each pair.
"""

import argparse
import datetime
import http.client
import json
import math
import os
import pathlib
import platform
import random
import re
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery staple"


# A hash that costs next to nothing, to see what else might tell the kinds apart.
CHEAP = ["--password-hash-memory-kib", "64", "--password-hash-iterations", "1", "--password-hash-lanes", "1"]


def start(binary, folder, arguments):
    process = subprocess.Popen(
        [binary, "serve", "--bind", "127.0.0.1:0", "--rate-limit-enabled", "false", "--log-format", "json", *arguments],
        cwd=folder, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]},
    )
    for line in process.stderr:
        if found := re.search(r"listening on http://([0-9.:]+)", line):
            # Somebody must read on, or the server would wait for room in the pipe.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, found.group(1)
    raise SystemExit("the server did not start")


class Client:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)

    def ask(self, method, path, body=None, token=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self.connection.getresponse()
        text = response.read()
        return response.status, text

    def login(self, email):
        return self.ask("POST", "/auth/login", {"email": email, "password": "wrong password"})

    def recover(self, email):
        return self.ask("POST", "/auth/recovery", {"email": email})


def mann_whitney(first, second):
    """The two-sided p of the Mann-Whitney U test, by the normal approximation with tie correction."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks, index, ties = [0.0] * len(ranked), 0, 0.0
    while index < len(ranked):
        end = index
        while end < len(ranked) and ranked[end][0] == ranked[index][0]:
            end += 1
        for place in range(index, end):
            ranks[place] = (index + end + 1) / 2
        ties += (end - index) ** 3 - (end - index)
        index = end
    m, n = len(first), len(second)
    rank_sum = sum(rank for rank, (_, group) in zip(ranks, ranked) if group == 0)
    u = rank_sum - m * (m + 1) / 2
    total = m + n
    sigma = math.sqrt(m * n / 12 * ((total + 1) - ties / (total * (total - 1))))
    z = (u - m * n / 2) / sigma
    return math.erfc(abs(z) / math.sqrt(2)), u / (m * n)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=400, help="logins of each kind; ten times as many with a cheap hash")
    samples = parser.parse_args().samples
    subprocess.run(["cargo", "build", "--release", "--quiet", "--bin", "doorward"], cwd=ROOT, check=True)
    binary = ROOT / "target/release/doorward"
    report(samples, run(binary, [], samples, Client.login), run(binary, CHEAP, samples * 10, Client.login),
           run(binary, CHEAP, samples * 10, Client.recover))


def run(binary, arguments, samples, question):
    with tempfile.TemporaryDirectory() as folder:
        process, address = start(binary, folder, arguments)
        try:
            return measure(binary, folder, address, samples, question)
        finally:
            process.terminate()
            process.wait()


def measure(binary, folder, address, samples, question):
    client = Client(address)
    for name in ["known", "off"]:
        status, _ = client.ask("POST", "/auth/register", {"email": f"{name}@example.com", "password": PASSWORD})
        assert status == 201
    subprocess.run([binary, "users", "deactivate", "off@example.com"], cwd=folder, check=True, capture_output=True)
    kinds = {"nobody's": "nobody@example.com", "somebody's": "known@example.com", "deactivated": "off@example.com"}
    answers, times = set(), {kind: [] for kind in kinds}
    for round_ in range(samples + 10):
        for kind in random.sample(list(kinds), len(kinds)):
            begin = time.perf_counter()
            answer = question(client, kinds[kind])
            taken = time.perf_counter() - begin
            answers.add(answer)
            if round_ >= 10:
                times[kind].append(taken * 1000)
    assert len(answers) == 1, answers
    return times


def cpu():
    names = re.findall(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def tables(times):
    lines = ["| kind | median ms | mean ms | 5 % | 95 % |", "| --- | --- | --- | --- | --- |"]
    for kind, values in times.items():
        cuts = statistics.quantiles(values, n=20)
        lines.append(f"| {kind} | {statistics.median(values):.3f} | {statistics.mean(values):.3f} | {cuts[0]:.3f} | {cuts[-1]:.3f} |")
    lines += ["", "| pair | medians differ by | slower with probability | p (Mann-Whitney, two-sided) |", "| --- | --- | --- | --- |"]
    kinds = list(times)
    for first, second in [(0, 1), (0, 2), (1, 2)]:
        a, b = times[kinds[first]], times[kinds[second]]
        p, share = mann_whitney(a, b)
        distance = statistics.median(a) - statistics.median(b)
        lines.append(f"| {kinds[first]} · {kinds[second]} | {distance:+.3f} ms | {share:.3f} | {p:.2g} |")
    return lines


def report(samples, full, cheap, recovery):
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    load = os.getloadavg()[0]
    lines = [
        "# Accounts, told apart by time?",
        "",
        f"Made by `bench/login_timing.py --samples {samples}` on {datetime.date.today()}: {cpu()}, load {load:.1f} at the end; {rustc}; release build, loopback.",
        "",
        "The kinds of address took turns in random order. All answers of a table were the same bytes.",
        "",
        f"## Logins with a wrong password, as served: 64 MiB, 3 passes, 4 lanes; {samples} logins of each kind",
        "",
        *tables(full),
        "",
        f"## The same with a hash that costs next to nothing: {samples * 10} logins of each kind",
        "",
        "Nobody should run such a server; it shows what the hash would otherwise hide.",
        "",
        *tables(cheap),
        "",
        f"## Requests to recover: {samples * 10} of each kind",
        "",
        "The letters that they cause are written and sent meanwhile, by a worker.",
        "",
        *tables(recovery),
        "",
        "*Slower with probability* is how often a request of the first kind took longer than one of the second: 0.5 is "
        "a coin toss. A small p means that the kinds can be told apart, given as many samples.",
        "",
    ]
    target = ROOT / "docs/reports/login-timing.md"
    target.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
