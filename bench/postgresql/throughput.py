"""Refreshes through HTTP beside pgbench with the same statement, on tables of several sizes."""

import csv
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

import cluster
from . import common

PART = "throughput"
SIZES = [10_000, 100_000, 1_000_000, 10_000_000]
ROUNDS = 5
SECONDS = 4
CLIENTS = 64
POOL = 16
ACCOUNTS = 10_000
SETTINGS = "shared_buffers = 2GB\nmax_wal_size = 16GB\ncheckpoint_timeout = 1h\nmax_connections = 200\n"
NOW = 1_790_000_000_000_000
NEVER = 4_000_000_000_000_000
#: Handles of rows that pgbench rotates: made of a number, so that pgbench can make them too.
HANDLE_OF = "substring(sha256(int8send({})) FOR 16)"

#: ROTATE_GOOD of crates/doorward-postgres/src/sessions.rs. The handle is made of a number, and the token presented
#: and its successor are the same: pgbench can't remember what it wrote. What is looked up, compared and written, and
#: the commit, are those of a refresh.
SCRIPT = r"""
\set number {clients} * random(0, {last_turn}) + :client_id
UPDATE sessions
SET current_hash = '\x{hash}'::bytea, issued_at = {now}, expires_at = least({never}, sessions.created_at + {never}),
    spent_hash = '\x{hash}'::bytea, spent_at = {now}, sealed_successor = NULL, address = coalesce('\x7f000001'::bytea, address)
FROM users
WHERE handle = substring(sha256(int8send(:number)) FOR 16) AND current_hash = '\x{hash}'::bytea
    AND ended_at IS NULL AND expires_at > {now} AND users.id = user_id AND users.is_active
RETURNING sessions.id, user_id, role;
"""
HASH = "ab" * 32


def used(size):
    """How many sessions take turns, on either side: half of them, and of many a hundred thousand."""
    return min(size // 2, 100_000) // CLIENTS * CLIENTS


def fill(database, size, folder):
    """Rows of which two shares are used, spread evenly over the table: one by Doorward, one by pgbench."""
    count = used(size)
    tokens = [common.Token() for _ in range(count)]
    with open(folder / "real.csv", "w", newline="") as file:
        writer = csv.writer(file)
        for number, token in enumerate(tokens):
            writer.writerow([number, rf"\x{token.handle.hex()}", rf"\x{token.hash.hex()}"])
    os.chmod(folder / "real.csv", 0o644)
    password = "$argon2id$v=19$m=65536,t=3,p=4$" + "s" * 22 + "$" + "h" * 43
    every = size // count
    database.sql(
        f"""
        INSERT INTO users (email, email_key, role, is_active, password_hash, created_at)
        SELECT address, address, 'user', true, '{password}', {NOW}
        FROM (SELECT 'somebody.or.other.' || n || '@example.com' AS address FROM generate_series(1, {ACCOUNTS}) n) a;
        CREATE TABLE real (number BIGINT, handle BYTEA, hash BYTEA);
        COPY real FROM '{folder / "real.csv"}' CSV;
        ANALYZE real;
        SET session_replication_role = replica;
        SET maintenance_work_mem = '1GB';
        ALTER TABLE sessions DROP CONSTRAINT sessions_pkey;
        DROP INDEX sessions_by_user;
        INSERT INTO sessions (handle, id, user_id, created_at, current_hash, issued_at, expires_at, spent_hash, spent_at)
        SELECT coalesce(real.handle, {HANDLE_OF.format(f"CASE WHEN n % {every} = 1 THEN n / {every} ELSE -1 - n END")}),
            gen_random_uuid(), 1 + n % {ACCOUNTS}, {NOW}, coalesce(real.hash, '\\x{HASH}'), {NOW}, {NEVER}, '\\x{HASH}', {NOW}
        FROM generate_series(0, {size - 1}) n LEFT JOIN real ON n % {every} = 0 AND real.number = n / {every};
        ALTER TABLE sessions ADD PRIMARY KEY (handle);
        CREATE INDEX sessions_by_user ON sessions (user_id);
        DROP TABLE real;
        """,
        timeout=3600,
    )
    for statement in ["VACUUM ANALYZE sessions", "VACUUM ANALYZE users"]:
        database.sql(statement, timeout=3600)
    accounts = [{"email": "", "access": "", "refresh": token.text} for token in tokens]
    (folder / "state").write_text(json.dumps({"accounts": accounts}))
    for clients in [CLIENTS, POOL]:
        script = SCRIPT.format(clients=clients, last_turn=count // clients - 1, hash=HASH, now=NOW, never=NEVER)
        (folder / f"rotate-{clients}.sql").write_text(script)


def pgbench(database, folder_of_scripts, clients, seconds=SECONDS):
    """Transactions a second, and the milliseconds below which 99 of 100 stayed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(cluster.postgres_binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared"]
        command += [f"--client={clients}", "--jobs=1", f"--time={seconds}", "--log", "--sampling-rate=0.1"]
        command += [f"--file={folder_of_scripts / f'rotate-{clients}.sql'}", database.url()]
        begin = postgres_seconds(database)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        spent = postgres_seconds(database) - begin
        if "failed transactions: 0 " not in done.stdout or "actually processed: 0" in done.stdout:
            raise SystemExit(done.stdout + done.stderr)
        figure = lambda before: float(re.search(before + r"([\d.]+)", done.stdout).group(1))
        rate, count = figure("tps = "), figure("actually processed: ")
        times = []
        for file in pathlib.Path(folder).glob("pgbench_log.*"):
            times += [int(line.split()[2]) / 1000 for line in file.read_text().splitlines()]
    return {"rate": rate, "p50": common.quantile(times, 0.5), "p99": common.quantile(times, 0.99), "postgres": spent / count * 1e6}


def doorward(database, process, address, state, seconds=SECONDS):
    """Refreshes a second by bench/load, and whose processor time they took."""
    before = postgres_seconds(database), common.processor_seconds(process)
    command = [common.load(), "closed", address, "contract", str(state), "refresh", str(CLIENTS), str(seconds)]
    figures = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if set(figures["statuses"]) != {"good"}:
        raise SystemExit(f"not every refresh was answered: {figures}")
    count = figures["requests"]
    figures["postgres"] = (postgres_seconds(database) - before[0]) / count * 1e6
    figures["node"] = (common.processor_seconds(process) - before[1]) / count * 1e6
    return figures


def postgres_seconds(database):
    """Processor time of the cluster, that of connections that are gone included."""
    postmaster = database.postmaster()
    fields = pathlib.Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()
    gone = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return gone + common.processor_seconds(*database.everybody())


def one_round(database, node, folder, number):
    """All three, each time another one first."""
    contestants = {
        "doorward": lambda: doorward(database, *node, folder / "state"),
        "pgbench": lambda: pgbench(database, folder, CLIENTS),
        "pgbench_pool": lambda: pgbench(database, folder, POOL),
    }
    names = list(contestants)
    names = names[number % 3:] + names[:number % 3]
    return {name: contestants[name]() for name in names}


def run(sizes=SIZES):
    for size in sizes:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="throughput-"))
        os.chmod(folder, 0o755)
        database = cluster.Cluster(settings=SETTINGS)
        try:
            url = cluster.migrated(common.program(), database)
            begin = time.monotonic()
            with common.beside_others():
                fill(database, size, folder)
            print(f"{size} sessions, filled in {time.monotonic() - begin:.0f} s", flush=True)
            database.sql("CHECKPOINT", timeout=600)
            with common.served(url) as node, common.alone():
                warm_up = [doorward(database, *node, folder / "state", 2), pgbench(database, folder, CLIENTS, 4)]
                print(*warm_up, flush=True)
                for number in range(ROUNDS):
                    figures = one_round(database, node, folder, number)
                    figures |= {"size": size, "used": used(size)}
                    figures["bytes"] = int(database.sql("SELECT pg_total_relation_size('sessions')")) / size
                    common.keep(PART, figures)
                    print({name: (round(figures[name]["rate"]), round(figures[name]["p99"], 1)) for name in ["doorward", "pgbench", "pgbench_pool"]}, flush=True)
        finally:
            database.remove()
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
