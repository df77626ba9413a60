"""What bench/tokens and bench/http print, where they are."""

import re
import subprocess

from .common import BENCH, RAW

SCRIPTS = {"tokens": "Tokens", "http": "Requests and refreshes on SQLite"}


def run():
    RAW.mkdir(parents=True, exist_ok=True)
    for name in SCRIPTS:
        script = BENCH / name / "run.sh"
        if script.exists():
            printed = subprocess.run([script], check=True, capture_output=True, text=True).stdout
            (RAW / f"{name}.md").write_text(printed)


def report():
    sections = []
    for name, title in SCRIPTS.items():
        file = RAW / f"{name}.md"
        if file.exists():
            body = re.sub(r"^#+ ", "### ", file.read_text().strip(), flags=re.MULTILINE)
            sections.append(f"## {title}\n\nPrinted by `bench/{name}/run.sh`.\n\n{body}")
    return "\n\n".join(sections)
