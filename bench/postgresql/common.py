"""What the parts of bench/postgres share: servers that log into files, turns on a shared machine, figures."""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

import cluster

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", cluster.ROOT / "target")).resolve()
RAW = TARGET / "benchmarks"
CHECKSUM_LABEL = b"doorward refresh token v1"


def build():
    """The two programs, in release mode."""
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
    subprocess.run([*command, "--bin", "doorward"], cwd=cluster.ROOT, env=environment, check=True)
    subprocess.run(command, cwd=cluster.ROOT / "bench/load", env=environment, check=True)


def program():
    return os.environ.get("DOORWARD_BINARY") or str(TARGET / "release/doorward")


def load():
    return os.environ.get("LOAD_BINARY") or str(TARGET / "release/load")


@contextlib.contextmanager
def alone(how=fcntl.LOCK_EX):
    """While nobody else is at work: BENCH_LOCK names the file that all who share the machine lock."""
    if not (name := os.environ.get("BENCH_LOCK")):
        yield
        return
    with open(name) as lock:
        fcntl.flock(lock, how)
        yield
    time.sleep(1)


def beside_others():
    """While nobody measures."""
    return alone(fcntl.LOCK_SH)


def keep(part, entry):
    """Adds a raw figure to those of a part; a later report is written from all there are."""
    RAW.mkdir(parents=True, exist_ok=True)
    (RAW / f"postgresql-{part}.json").write_text(json.dumps([*read(part), entry]))


def read(part):
    file = RAW / f"postgresql-{part}.json"
    return json.loads(file.read_text()) if file.exists() else []


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def median(values):
    return statistics.median(values)


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


class Token:
    """A refresh token of our own making, and what the database keeps of it."""

    def __init__(self):
        # A token from before handles were hashed: it is found as it is.
        self.handle, secret = os.urandom(16), os.urandom(64)
        self.hash = hashlib.sha256(secret).digest()
        checksum = hashlib.sha256(CHECKSUM_LABEL + self.handle + secret).digest()[:16]
        self.text = base64url(self.handle + secret + checksum)


def base64url(raw):
    import base64

    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@contextlib.contextmanager
def served(url, *arguments):
    """A node whose log goes into a file, as an operator's does: process and address."""
    with tempfile.TemporaryDirectory() as folder, open(pathlib.Path(folder) / "log", "wb") as log:
        port = cluster.free_port()
        command = [program(), "serve", f"--bind=127.0.0.1:{port}", "--log-format=json", "--rate-limit-enabled=false"]
        environment = {"DATABASE_URL": url, "SECRET_KEY": cluster.SECRET}
        process = subprocess.Popen([*command, *arguments], cwd=folder, env=environment, stderr=log)
        try:
            cluster.wait_until(lambda: is_ready(port) or process.poll() is not None, what="a node's start")
            if process.poll() is not None:
                raise SystemExit((pathlib.Path(folder) / "log").read_text())
            yield process.pid, f"127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def is_ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def processor_seconds(*processes):
    """What processes have used of the processors so far."""
    total = 0
    for process in processes:
        try:
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
