"""How long nobody can sign in while `doorward store copy` moves everything from one database to the other."""

import contextlib
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import time

import cluster
from . import common

PART = "moving"
ACCOUNTS, SESSIONS = 100_000, 1_000_000
NOW = 1_790_000_000_000_000


def fill(file):
    """A file as it is after a first refresh of each session."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        password = "$argon2id$v=19$m=65536,t=3,p=4$" + "s" * 22 + "$" + "h" * 43
        rows = ((f"somebody.or.other.{n}@example.com",) * 2 + (password, NOW) for n in range(ACCOUNTS))
        sessions = (
            (os.urandom(16), os.urandom(16), 1 + n % ACCOUNTS, NOW, os.urandom(32), NOW, NOW * 2, os.urandom(32), NOW)
            for n in range(SESSIONS)
        )
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO users (email, email_key, role, is_active, password_hash, created_at) VALUES (?, ?, 'user', 1, ?, ?)", rows
        )
        database.executemany(
            "INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at, spent_hash, spent_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", sessions
        )
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def serves(url):
    """Seconds from the start of a node until it is ready, and then those until it has ended in order."""
    begin = time.monotonic()
    with common.served(url):
        ready = time.monotonic() - begin
        begin = time.monotonic()
    return ready, time.monotonic() - begin


def copy(source, target):
    begin = time.monotonic()
    command = [common.program(), "store", "copy", "--from", source, "--to", target]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tempfile.gettempdir())
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.monotonic() - begin


def run():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file = f"sqlite://{folder}/doorward.db"
        with common.beside_others():
            serves(file)
            fill(folder / "doorward.db")
        database = cluster.Cluster()
        try:
            database.sql("CREATE DATABASE doorward", "postgres")
            with common.alone():
                _, stop = serves(file)
                there = copy(file, database.url())
                start, _ = serves(database.url())
            entry = {"there": {"stop": stop, "copy": there, "start": start}}
            with common.alone():
                _, stop = serves(database.url())
                back = copy(database.url(), f"sqlite://{folder}/back.db")
                start, _ = serves(f"sqlite://{folder}/back.db")
            entry["back"] = {"stop": stop, "copy": back, "start": start}
            entry["rows"] = ACCOUNTS + SESSIONS
            common.keep(PART, entry)
            print(entry, flush=True)
        finally:
            database.remove()
