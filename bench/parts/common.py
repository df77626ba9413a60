"""What every part of bench/run needs: places, raw figures, tables."""

import json
import os
import pathlib
import re
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "bench"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
RAW = TARGET / "benchmarks"
PEERS = TARGET / "benchmark-peers"
REPORT = ROOT / "docs/reports/benchmarks.md"
PLOTS = ROOT / "docs/reports/benchmarks"


def cargo(folder, *arguments, **environment):
    """Builds in release mode; a workspace of bench/ shares the target folder with the others."""
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "--quiet", *arguments], cwd=folder, check=True,
        env={**os.environ, "CARGO_TARGET_DIR": str(TARGET), **environment},
    )


def binary(name):
    return str(TARGET / "release" / name)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def read(part):
    """The raw figures of a part, one entry a round, or nothing."""
    file = RAW / f"{part}.json"
    return json.loads(file.read_text()) if file.exists() else []


def keep(part, entry):
    RAW.mkdir(parents=True, exist_ok=True)
    (RAW / f"{part}.json").write_text(json.dumps([*read(part), entry]))


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def number(value, digits=3):
    """So many significant digits, thousands separated."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return re.sub(r"\.0+$", "", f"{value:.{digits}g}")


def processor():
    return re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)


def has_avx512():
    return " avx512f " in pathlib.Path("/proc/cpuinfo").read_text()


def machine():
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) / 2**20
    vectors = "AVX-512" if has_avx512() else "AVX2, **no AVX-512**"
    pages = re.search(r"\[(\w+)\]", pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()).group(1)
    return f"{processor()}, {os.cpu_count()} cores, {vectors}, {memory:.0f} GiB, Linux {os.uname().release}, huge pages {pages}"
