"""Prints hashes and tokens made by pwdlib, argon2-cffi and PyJWT, as crates/doorward/tests/vectors/interop.json.

Salts, secrets and times are fixed: the same versions print the same bytes. Made once, by hand:

    pip install -r scripts/interop/requirements.txt
    python3 scripts/interop/make_vectors.py > crates/doorward/tests/vectors/interop.json
"""

import json
from importlib.metadata import version

import jwt
from argon2 import PasswordHasher, Type
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

SALT = bytes(range(16))
PASSWORDS = [
    "correct horse battery staple",
    "пароль 🔑👩‍👩‍👧",
    "before\u0000after",
    "e\u0301tude NFD",  # the hash is of these bytes, not of their NFC
    "0123456789abcdef" * 64,  # 1,024 bytes, the most that is accepted
]
ASCII_KEY = "only-for-tests-4f1b7c02d9e86a35-ascii"
UTF8_KEY = "nur für Prüfungen – ключ 鍵 4f1b7c02"
ISSUED = 1_800_000_000
CLAIMS = {
    "sub": "42",
    "role": "user",
    "jti": "0b5e7a54-3c1d-4f7e-9a7c-2f6d1c8e4b90",
    "iat": ISSUED,
    "exp": ISSUED + 900,
}


def hashes():
    recommended = PasswordHash.recommended().current_hasher
    cheap = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
    for password in PASSWORDS:
        yield "pwdlib, recommended", password, recommended.hash(password, salt=SALT)
        yield "pwdlib, cheap", password, cheap.hash(password, salt=SALT)
        for kind in (Type.ID, Type.I, Type.D):
            hasher = PasswordHasher(time_cost=2, memory_cost=256, parallelism=2, type=kind)
            yield f"argon2-cffi, argon2{kind.name.lower()}", password, hasher.hash(password, salt=SALT)
    longer = PasswordHasher(time_cost=1, memory_cost=128, parallelism=4, hash_len=64)
    yield "argon2-cffi, other lengths", PASSWORDS[0], longer.hash(PASSWORDS[0], salt=bytes(range(32)))


def tokens():
    def token(name, verdict, claims=CLAIMS, key=ASCII_KEY, algorithm="HS256", headers=None, now=ISSUED):
        text = jwt.encode(claims, key, algorithm=algorithm, headers=headers)
        verifying_key = ASCII_KEY if name == "another secret" else key
        return {"name": name, "verdict": verdict, "secret_key": verifying_key, "now": now, "token": text, "claims": claims}

    def without(claim):
        return {name: value for name, value in CLAIMS.items() if name != claim}

    yield token("a user", "valid")
    yield token("an admin", "valid", {**CLAIMS, "sub": "9223372036854775807", "role": "admin"})
    yield token("in its last second", "valid", now=ISSUED + 899)
    yield token("a secret beyond ASCII", "valid", key=UTF8_KEY)
    yield token("claims in another order", "valid", dict(reversed(CLAIMS.items())))
    yield token("with a session", "valid", {**CLAIMS, "sid": "7d3f0c1e-58a9-4b62-8e17-a4c05b9d2f61"})
    yield token("at its end", "expired", now=ISSUED + 900)
    yield token("long after its end", "expired", now=ISSUED + 10**9)
    for claim in CLAIMS:
        yield token(f"without {claim}", "invalid", without(claim))
    yield token("exp with a fraction", "invalid", {**CLAIMS, "exp": ISSUED + 900.5})
    yield token("exp as a float", "invalid", {**CLAIMS, "exp": float(ISSUED + 900)})
    yield token("exp as text", "invalid", {**CLAIMS, "exp": str(ISSUED + 900)})
    yield token("sub as a number", "invalid", {**CLAIMS, "sub": 42})
    yield token("an unknown role", "invalid", {**CLAIMS, "role": "root"})
    yield token("jti no UUID", "invalid", {**CLAIMS, "jti": "1"})
    yield token("a day long", "invalid", {**CLAIMS, "exp": ISSUED + 86_400})
    yield token("issued in the future", "invalid", now=ISSUED - 61)
    yield token("HS384", "invalid", algorithm="HS384", key=ASCII_KEY * 2)
    yield token("HS512", "invalid", algorithm="HS512", key=ASCII_KEY * 2)
    yield token("none", "invalid", algorithm="none", key="") | {"secret_key": ASCII_KEY}
    yield token("another secret", "invalid", key=UTF8_KEY)
    yield token("a header of the attacker", "invalid", headers={"jku": "https://evil.example/keys"})


vectors = {
    "made": "by scripts/interop/make_vectors.py on 2026-11-23; do not edit",
    "versions": {name: version(name) for name in ("pwdlib", "argon2-cffi", "argon2-cffi-bindings", "PyJWT")},
    "hashes": [dict(zip(("maker", "password", "hash"), made)) for made in hashes()],
    "tokens": list(tokens()),
}
print(json.dumps(vectors, indent=1))
