"""The servers that are compared: how each is installed, started and asked."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

from .common import BENCH, PEERS, ROOT, binary, cargo

SECRET = "a secret for the benchmark and for nothing else"


@dataclass
class Server:
    key: str
    label: str
    dialect: str = "contract"
    on_postgres: bool = True
    install: list = field(default_factory=list)
    """What has to be on a machine that runs it, beside the language."""


DOORWARD, DOORWARD_PG = "doorward-sqlite", "doorward-postgres"
SERVERS = [
    Server(DOORWARD, "Doorward, SQLite", on_postgres=False, install=[binary("doorward")]),
    Server(DOORWARD_PG, "Doorward, PostgreSQL", install=[binary("doorward")]),
    Server("fastapi-1", "FastAPI, 1 worker", install=[PEERS / "python/lib"]),
    Server("fastapi-2", "FastAPI, 2 workers", install=[PEERS / "python/lib"]),
    Server("axum-plain", "axum, argon2, sqlx", install=[binary("axum-plain")]),
    Server("better-auth", "better-auth, Node", dialect="better-auth", install=[PEERS / "node/node_modules"]),
]


def install():
    """Builds and installs everything, into the target folder."""
    cargo(ROOT, "--bin", "doorward")
    cargo(BENCH / "load")
    cargo(BENCH / "peers/axum-plain")
    python = PEERS / "python"
    if not (python / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", python], check=True)
        requirements = BENCH / "peers/fastapi/requirements.txt"
        subprocess.run([python / "bin/pip", "install", "--quiet", "-r", requirements], check=True)
        (python / "done").touch()
    node = PEERS / "node"
    node.mkdir(parents=True, exist_ok=True)
    for file in ["package.json", "package-lock.json", "server.mjs", "argon2.mjs"]:
        shutil.copy(BENCH / "peers/better-auth" / file, node)
    if not (node / "done").exists():
        subprocess.run(["npm", "ci", "--silent", "--omit=dev"], cwd=node, check=True)
        (node / "done").touch()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def new_database(name):
    """A database of its own on the cluster that scripts/postgres started; returns its URL."""
    cluster = os.environ["DOORWARD_TEST_POSTGRES"]
    for statement in [f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"']:
        subprocess.run(["psql", "--quiet", f"{cluster}/postgres", "-c", statement], check=True, stderr=subprocess.DEVNULL)
    return f"{cluster}/{name}"


def for_sqlalchemy(url):
    user_and_host, _, name = url.removeprefix("postgres://").rpartition("/")
    host, _, port = user_and_host.partition("@")[2].rpartition(":")
    return f"postgresql+asyncpg://postgres@/{name}?host={host.replace('%2F', '/')}&port={port}"


def plan(server, port, folder):
    """The command that sets the database up, or none, the command that serves, and its environment."""
    url = new_database(server.key) if server.on_postgres else None
    environment = {"PATH": os.environ["PATH"], "NODE_ENV": "production"}
    if server.key.startswith("doorward"):
        environment |= {"RATE_LIMIT_ENABLED": "false", "SECRET_KEY": SECRET}
        if url:
            environment["DATABASE_URL"] = url
        migrate = [binary("doorward"), "migrate"] if url else None
        return migrate, [binary("doorward"), "serve", "--bind", f"127.0.0.1:{port}"], environment
    if server.key.startswith("fastapi"):
        python = PEERS / "python/bin/python"
        environment |= {"DATABASE_URL": for_sqlalchemy(url), "PYTHONPATH": str(BENCH / "peers/fastapi")}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        serve = [python, "-m", "uvicorn", "app:app", "--port", str(port), "--loop", "uvloop", "--http", "httptools",
                 "--no-access-log", "--workers", server.key[-1]]
        return [python, BENCH / "peers/fastapi/app.py"], serve, environment
    if server.key == "better-auth":
        script = PEERS / "node/server.mjs"
        return ["node", script, "migrate", url], ["node", script, str(port), url], environment
    return None, [binary("axum-plain"), f"127.0.0.1:{port}", url], environment


@dataclass
class Running:
    server: Server
    process: subprocess.Popen
    address: str
    first_answer_ms: float
    idle_bytes: int
    state: str

    def load(self, command, *arguments):
        import json

        words = [binary("load"), command, self.address, self.server.dialect, self.state, *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{self.server.key}: {done.stderr}")
        return json.loads(done.stdout)

    def resident(self):
        return resident(self.process.pid)


def resident(process):
    """The resident memory of a process and of those that it started, in bytes."""
    try:
        pages = int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1])
        children = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except FileNotFoundError:
        return 0
    return pages * 4096 + sum(resident(int(child)) for child in children)


def wait_for_answer(port, path, process):
    """Asks every millisecond until the answer is 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
            stream.sendall(request)
            if stream.recv(64).startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.001)
    raise SystemExit("a server did not start")


@contextlib.contextmanager
def start(server):
    """The server on an empty database, its accounts not yet made."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        set_up, serve, environment = plan(server, port, folder)
        options = {"cwd": folder, "env": environment, "stdout": subprocess.DEVNULL}
        if set_up:
            subprocess.run(set_up, check=True, stderr=subprocess.DEVNULL, **options)
        log = open(pathlib.Path(folder) / "log", "wb")
        begin = time.perf_counter()
        process = subprocess.Popen(serve, stderr=log, start_new_session=True, **options)
        try:
            wait_for_answer(port, "/api/auth/ok" if server.dialect == "better-auth" else "/health", process)
            first = (time.perf_counter() - begin) * 1000
            time.sleep(1)
            yield Running(server, process, f"127.0.0.1:{port}", first, resident(process.pid), f"{folder}/state")
        finally:
            # A group of its own: the workers of uvicorn end with it.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            log.close()
