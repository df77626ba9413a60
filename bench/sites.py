"""Where something is broken: nodes and the cluster or file that they share."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import cluster
from storm import Storm


class Skipped(Exception):
    """A machine that can't do this."""


class Site:
    """A cluster and two nodes."""

    def __init__(self, program, name, query="", database=None, count=2):
        self.program, self.name = program, name
        self.database = database or cluster.Cluster()
        self.url = cluster.migrated(program, self.database) + query
        self.nodes = [self.node() for _ in range(count)]

    def node(self, url=None, **arguments):
        return cluster.Node(self.program, url or self.url, *cluster.STRICT, **arguments)

    def storm(self):
        storm = Storm(self.nodes, self.name)
        time.sleep(1)
        return storm

    def remove(self):
        for node in self.nodes:
            node.remove()
        self.database.remove()


class File:
    """A node on SQLite, and no cluster."""

    def __init__(self, program, name):
        self.program, self.name = program, name
        self.folder = tempfile.mkdtemp(prefix="file-")
        self.nodes = [self.node("doorward.db")]

    def node(self, file):
        return cluster.Node(self.program, f"sqlite://{self.folder}/{file}", *cluster.STRICT)

    def remove(self):
        for node in self.nodes:
            node.remove()
        shutil.rmtree(self.folder)


def of_older_version(_, name):
    """A site of the program that DOORWARD_OLDER_BINARY names."""
    older = os.environ.get("DOORWARD_OLDER_BINARY")
    if not older:
        raise Skipped("rolling a version needs an older program, named by DOORWARD_OLDER_BINARY")
    return Site(older, name)


def small_disk(program, name):
    """A site whose cluster lies in a tmpfs."""
    folder = tempfile.mkdtemp(prefix="small-disk-")
    mounted = os.getuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", folder], capture_output=True
    ).returncode == 0
    if not mounted:
        raise Skipped("a full disk needs root and the right to mount a tmpfs")
    site = Site(program, name, database=cluster.Cluster(folder, "min_wal_size = 32MB\nmax_wal_size = 64MB\n"))
    remove = site.remove

    def remove_all():
        site.nodes, nodes = [], site.nodes
        for node in nodes:
            node.remove()
        site.database.stop()
        subprocess.run(["umount", "--lazy", folder], check=False)
        remove()
        pathlib.Path(folder).exists() and os.rmdir(folder)

    site.remove = remove_all
    return site


def impatient(program, name):
    return Site(program, name, query="?options=-cstatement_timeout%3D1000")
