"""PostgreSQL clusters and Doorward nodes of one's own, for the measurements beside this file."""

import collections
import glob
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECRET = "the same thirty-two bytes or more on every node 7d1f"
PASSWORD = "correct horse battery staple"
#: Settings under which a hash costs next to nothing.
CHEAP = ["--password-hash-memory-kib=64", "--password-hash-iterations=1", "--password-hash-lanes=1"]

#: And under which a refresh that went unanswered may be tried again for as long as a failure lasts: then an
#: acknowledged token that is refused is a lost one, without excuse.
STRICT = [*CHEAP, "--refresh-reuse-grace-seconds=300"]


def binary(profile="debug"):
    """The program: that of DOORWARD_BINARY, or built now."""
    if given := os.environ.get("DOORWARD_BINARY"):
        return given
    command = ["cargo", "build", "--quiet", "--locked", "--package", "doorward-server"]
    subprocess.run(command + (["--release"] if profile == "release" else []), cwd=ROOT, check=True)
    return str(pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / profile / "doorward")


def machine():
    """One line about where a report was made."""
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    version = subprocess.run([postgres_binaries() / "postgres", "--version"], capture_output=True, text=True).stdout
    return f"{model.group(1) if model else 'unknown processor'}, {os.cpu_count()} cores; {version.strip()}"


def postgres_binaries():
    """The folder of PostgreSQL's programs."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
    path = found[-1] if found else os.path.dirname(shutil.which("initdb") or "")
    if not path:
        raise SystemExit("missing: the PostgreSQL server (apt-get install postgresql)")
    return pathlib.Path(path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=60, what="it"):
    """Waits for a condition; how long it took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(0.02)
    return time.monotonic() - start


class Cluster:
    """A PostgreSQL server in a folder of its own, on a free port of 127.0.0.1."""

    def __init__(self, folder=None, settings="", copy_of=None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="cluster-"))
        self.data = self.folder / "data"
        self.port = free_port()
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        if copy_of is None:
            self.run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        else:
            copy = ["pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname"]
            self.run(*copy, f"{copy_of.url('postgres')}?application_name=standby")
        conf = f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\nmax_connections = 200\n"
        with open(self.data / "postgresql.conf", "a") as file:
            file.write(conf + settings)
        self.start()

    def as_owner(self, command):
        """PostgreSQL refuses to run as root."""
        if os.getuid() == 0:
            return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]
        return command

    def run(self, program, *arguments, check=True):
        command = self.as_owner([str(postgres_binaries() / program), f"--pgdata={self.data}", *arguments])
        with open(self.folder / "programs.log", "a") as log:
            return subprocess.run(command, cwd="/", stdout=log, stderr=log, check=check).returncode

    def start(self):
        self.run("pg_ctl", f"--log={self.folder / 'server.log'}", "--silent", "--wait", "start")

    def is_running(self):
        return self.run("pg_ctl", "status", check=False) == 0

    def stop(self, mode="immediate"):
        self.run("pg_ctl", f"--mode={mode}", "--silent", "stop", check=False)

    def promote(self):
        self.run("pg_ctl", "--silent", "--wait", "promote")

    def postmaster(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def everybody(self):
        """The postmaster and all processes of its making."""
        postmaster = self.postmaster()
        children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def signal_all(self, number):
        for process in self.everybody():
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass

    def url(self, database="doorward"):
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, text, database="doorward", check=True, timeout=30):
        command = [str(postgres_binaries() / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text, self.url(database)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip() if done.returncode == 0 else None

    def answers(self):
        """Whether it takes writes."""
        try:
            return self.sql("CREATE TEMP TABLE probe(); SELECT NOT pg_is_in_recovery()", check=False, timeout=2) == "t"
        except subprocess.TimeoutExpired:
            return False

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Node:
    """A Doorward server."""

    def __init__(self, program, url, *arguments, port=0, tls=None, secret=SECRET, previous="", limits=False):
        self.home = tempfile.mkdtemp(prefix="node-")
        command = [program, "serve", f"--bind=127.0.0.1:{port}", "--log-format=json", "--metrics-bind=127.0.0.1:0"]
        if not limits:
            # Everybody comes from one address here.
            command += ["--rate-limit-enabled=false"]
        if tls:
            command += [f"--tls-certificate-file={tls}/tls.pem", f"--tls-key-file={tls}/tls.key"]
        environment = {"DATABASE_URL": url, "SECRET_KEY": secret, "SECRET_KEY_PREVIOUS": previous}
        self.process = subprocess.Popen(
            [*command, *arguments], cwd=self.home, env=environment, stderr=subprocess.PIPE, text=True
        )
        self.log = collections.deque(maxlen=2000)
        self.events = collections.Counter()
        self.address = self.metrics_address = None
        self.tls = tls
        reader = threading.Thread(target=self.read_log, daemon=True)
        reader.start()
        wait_until(lambda: self.address or self.process.poll() is not None, what="a node's start")
        if self.address is None:
            reader.join(timeout=5)
            raise AssertionError(f"a node did not start: {list(self.log)}")

    def read_log(self):
        for line in self.process.stderr:
            self.log.append(line)
            entry = json.loads(line)
            self.events[entry.get("event")] += 1
            address = entry.get("message", "").rpartition("//")[2]
            if entry.get("event") == "metrics":
                self.metrics_address = address.partition("/")[0]
            if entry.get("event") == "listening":
                self.address = address

    def port(self):
        return int(self.address.rpartition(":")[2])

    def connect(self, timeout=40):
        if self.tls:
            context = ssl.create_default_context(cafile=f"{self.tls}/root.pem")
            return http.client.HTTPSConnection("localhost", self.port(), timeout=timeout, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.port(), timeout=timeout)

    def send(self, method, path, body=None, bearer=None, connection=None):
        """Status, body and headers of the answer; OSError or HTTPException when there is none."""
        own = connection is None
        connection = connection or self.connect()
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, (json.loads(text) if text else None), answer.headers
        finally:
            if own:
                connection.close()

    def proc(self, name):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s*(\d+)", text).group(1))

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it in order: the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def remove(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


def migrated(program, cluster):
    """Makes the database and its tables; its URL."""
    cluster.sql("CREATE DATABASE doorward", "postgres")
    subprocess.run([program, "migrate", "--database-url", cluster.url()], check=True, stdout=subprocess.DEVNULL)
    return cluster.url()


def certificate(folder):
    """An authority and a certificate of it for localhost: root.pem, tls.pem and tls.key."""
    def make(*arguments):
        command = ["openssl", "req", "-x509", "-nodes", "-days", "7", "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:prime256v1", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    make("-subj", "/CN=authority", "-keyout", "root.key", "-out", "root.pem")
    names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
    make("-subj", "/CN=node", "-keyout", "tls.key", "-out", "tls.pem", "-CA", "root.pem", "-CAkey", "root.key", *names)
    return folder


def account(name):
    return {"email": f"{urllib.parse.quote(name)}@example.com", "password": PASSWORD}
