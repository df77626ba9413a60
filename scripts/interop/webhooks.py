"""Lets `standardwebhooks`, the library of the specification's authors, verify what a server posts.

The only argument is the program. Exit status 1 and the first disagreement when there is one.
"""

import base64
import http.server
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request

from standardwebhooks import Webhook, WebhookVerificationError

SECRETS = ["whsec_" + base64.b64encode(bytes(range(start, start + 32))).decode() for start in (0, 32)]
POSTED: queue.Queue = queue.Queue()


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"interop: {what}")


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        POSTED.put((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def register(address: str) -> None:
    body = json.dumps({"email": "ada@example.com", "password": "correct horse battery staple"}).encode()
    request = urllib.request.Request(f"{address}/auth/register", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        expect(answer.status == 201, f"registration answers {answer.status}")


def is_verified(secret: str, headers: dict, body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


def main() -> None:
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "WEBHOOK_URL": f"http://127.0.0.1:{receiver.server_port}/hooks",
            "WEBHOOK_SECRET": ",".join(SECRETS),
        }
        server = subprocess.Popen(
            [sys.argv[1], "serve", "--bind", "127.0.0.1:0", "--log-format", "json"],
            cwd=folder, env=environment, stderr=subprocess.PIPE, text=True,
        )
        try:
            listening = next(filter(None, (re.search(r"listening on (http://[0-9.:]+)", line) for line in server.stderr)))
            threading.Thread(target=server.stderr.read, daemon=True).start()
            register(listening.group(1))
            headers, body = POSTED.get(timeout=60)
        finally:
            server.terminate()
            server.wait()
    expect(json.loads(body)["type"] == "user_registered", f"posted: {body!r}")
    expect(all(is_verified(secret, headers, body) for secret in SECRETS), "a signature is refused")
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    expect(not is_verified(other, headers, body), "a signature of another secret is taken")
    expect(not is_verified(SECRETS[0], headers, body + b" "), "a signature of another body is taken")
    print("interop: a webhook verified by standardwebhooks, under each of two secrets")


main()
