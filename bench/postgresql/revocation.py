"""Until when an access token that was ended on one node is still taken by the other."""

import random
import subprocess
import threading
import time

import cluster
from . import common

PART = "revocation"
ROUNDS = 210
ADMIN = "root@example.com"

CUT = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'doorward/2' AND query LIKE '%doorward_endings'"""
LISTENING = CUT.replace("pg_terminate_backend(pid)", "*")


class Prober(threading.Thread):
    """Asks a node with a token, one request after the other, until it is refused."""

    def __init__(self, node, path, bearer):
        super().__init__(daemon=True)
        self.node, self.path, self.bearer = node, path, bearer
        self.last_taken = self.first_refused = None
        self.is_warm = threading.Event()

    def run(self):
        connection = self.node.connect()
        while self.first_refused is None:
            moment = time.monotonic()
            status = self.node.send("GET", self.path, bearer=self.bearer, connection=connection)[0]
            if status == 200:
                self.last_taken = moment
            elif status in (401, 403):
                self.first_refused = moment
            else:
                raise SystemExit(f"the other node answered {status}")
            self.is_warm.set()


class Light:
    """Some refreshes a second on both nodes meanwhile."""

    def __init__(self, nodes, a_second=20):
        self.nodes, self.pause, self.is_over = nodes, 1 / a_second, threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(number,), daemon=True) for number in range(2)]

    def work(self, number):
        node = self.nodes[number]
        connection = node.connect()
        token = node.send("POST", "/auth/register", cluster.account(f"busy{number}"))[1]["refresh_token"]
        while not self.is_over.wait(self.pause):
            answer = node.send("POST", "/auth/refresh", {"refresh_token": token}, connection=connection)
            token = answer[1]["refresh_token"]

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


class Site:
    def __init__(self):
        self.database = cluster.Cluster()
        url = cluster.migrated(common.program(), self.database)
        self.url = url
        self.command("users", "create", "--email", ADMIN, "--role", "admin", "--password-stdin", input=cluster.PASSWORD)
        self.nodes = [cluster.Node(common.program(), url, *cluster.CHEAP) for _ in range(2)]
        self.admin = self.nodes[0].send("POST", "/auth/login", {"email": ADMIN, "password": cluster.PASSWORD})[1]["access_token"]

    def command(self, *arguments, input=None):
        environment = {"DATABASE_URL": self.url, "SECRET_KEY": cluster.SECRET}
        subprocess.run([common.program(), *arguments], env=environment, cwd=self.database.folder, input=input, text=True,
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def register(self, name):
        return self.nodes[0].send("POST", "/auth/register", cluster.account(name))[1]

    def remove(self):
        for node in self.nodes:
            node.remove()
        self.database.remove()


def logout(site, name):
    tokens = site.register(name)
    return "/auth/me", tokens["access_token"], lambda: site.nodes[0].send("POST", "/auth/logout", {"refresh_token": tokens["refresh_token"]})[0]


def deactivation(site, name):
    tokens = site.register(name)
    number = site.nodes[0].send("GET", "/auth/me", bearer=tokens["access_token"])[1]["id"]
    path = f"/admin/users/{number}/deactivate"
    return "/auth/me", tokens["access_token"], lambda: site.nodes[0].send("PATCH", path, {}, bearer=site.admin)[0]


def role_change(site, name):
    """By the command line, which is how a role is changed, and which gives no hint."""
    site.register(name)
    email = cluster.account(name)["email"]
    site.command("users", "set-role", email, "admin")
    access = site.nodes[0].send("POST", "/auth/login", cluster.account(name))[1]["access_token"]
    return "/admin/users", access, lambda: site.command("users", "set-role", email, "user")


def measure(site, kind, name, is_cut):
    """Milliseconds from the end's acknowledgement to the first request that was refused; below zero: before that."""
    path, access, end = kind(site, name)
    prober = Prober(site.nodes[1], path, access)
    prober.start()
    prober.is_warm.wait()
    time.sleep(random.random() * 0.3)
    if is_cut:
        site.database.sql(CUT)
    end()
    acknowledged = time.monotonic()
    prober.join(timeout=60)
    if prober.first_refused is None:
        raise SystemExit("a token that was ended is taken for a minute")
    return (prober.first_refused - acknowledged) * 1000


#: The command line gives no hint: whether somebody listens makes no difference to a change of role.
WAYS = [(logout, False), (logout, True), (deactivation, False), (deactivation, True), (role_change, False)]


def run():
    for kind, is_cut in WAYS:
        site = Site()
        try:
            cluster.wait_until(lambda: int(site.database.sql(LISTENING)) >= 2, what="the listening connections")
            with common.alone(), Light(site.nodes):
                values = [measure(site, kind, f"{kind.__name__}{number}", is_cut) for number in range(ROUNDS)]
            common.keep(PART, {"kind": kind.__name__, "is_cut": is_cut, "milliseconds": values})
            print(kind.__name__, "cut" if is_cut else "heard", round(common.median(values)), round(max(values)), flush=True)
        finally:
            site.remove()
