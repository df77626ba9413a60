"""PyJWT at work: reads "verify" or "sign" from standard input, answers with nanoseconds for one."""

import sys
import time
import uuid

import jwt

token, secret = sys.argv[1:]
key = secret.encode()
claims = jwt.decode(token, key, algorithms=["HS256"])


def verify():
    jwt.decode(token, key, algorithms=["HS256"])


def sign():
    now = int(time.time())
    fresh = {**claims, "jti": str(uuid.uuid4()), "iat": now, "exp": now + 900}
    jwt.encode(fresh, key, algorithm="HS256", headers={"kid": "jnDv5gZN8bGA"})


for line in sys.stdin:
    task = {"verify": verify, "sign": sign}[line.strip()]
    for duration in (3e6, 30e6):
        start, calls = time.perf_counter_ns(), 0
        while (passed := time.perf_counter_ns() - start) < duration:
            for _ in range(64):
                task()
            calls += 64
    print(passed / calls, flush=True)
