"""Reads hashes and tokens made by Doorward (the JSON of `emit_interop`, on stdin) with other people's libraries.

pwdlib and argon2-cffi verify the hashes, PyJWT the tokens, and every program of examples/verify-a-token is run on
good, expired and tampered tokens. Exit status 1 and the first disagreement when one is found.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import uuid
from pathlib import Path

import jwt
from argon2 import PasswordHasher, extract_parameters, profiles
from argon2.exceptions import VerifyMismatchError
from pwdlib import PasswordHash

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "verify-a-token"
CLAIMS = {"sub", "role", "jti", "iat", "exp"}


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"interop: {what}")


def check_hash(made: dict) -> None:
    password, text = made["password"], made["hash"]
    pwdlib = PasswordHash.recommended()
    matches, upgrade = pwdlib.verify_and_update(password, text)
    expect(matches, f"pwdlib refuses {text}")
    if made["is_recommended"]:
        expect(upgrade is None, f"pwdlib would rehash {text}")
        expect(extract_parameters(text) == profiles.RFC_9106_LOW_MEMORY, f"{text} is not RFC 9106's second choice")
    expect(PasswordHasher().verify(text, password), f"argon2-cffi refuses {text}")
    for another in {password + "x", password[:-1], unicodedata.normalize("NFC", password), password.split("\0")[0]}:
        if another == password:
            continue
        expect(not pwdlib.verify(another, text), f"pwdlib accepts another password for {text}")
        try:
            PasswordHasher().verify(text, another)
        except VerifyMismatchError:
            continue
        expect(False, f"argon2-cffi accepts another password for {text}")


def check_with_pyjwt(made: dict) -> None:
    expect(jwt.get_unverified_header(made["token"])["alg"] == "HS256", "a token is not HS256")
    try:
        claims = jwt.decode(made["token"], made["secret_key"], algorithms=["HS256"], options={"require": list(CLAIMS)})
    except jwt.ExpiredSignatureError:
        expect(made["verdict"] == "expired", "PyJWT calls a good token expired")
        return
    expect(made["verdict"] == "valid", "PyJWT accepts an expired token")
    check_claims(claims, made, "PyJWT")


def check_claims(claims: dict, made: dict, reader: str) -> None:
    expected = {name: value for name, value in made["claims"].items() if value is not None}
    expect(claims.keys() == expected.keys() | CLAIMS, f"{reader} reads the claims {sorted(claims)}")
    expect(claims == expected | {"jti": claims["jti"]}, f"{reader} reads other values")
    expect(str(uuid.UUID(claims["jti"])) == claims["jti"], f"{reader} reads a jti that is no UUID")


def tampered(token: str) -> dict[str, str]:
    """Tokens that nobody may accept, made of a good one without its secret."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    admin = encode(claims | {"role": "admin", "sub": "1"})
    middle = "A" if payload[20] != "A" else "B"
    return {
        "other claims": f"{header}.{admin}.{signature}",
        "no signature": f"{header}.{payload}.",
        "alg none": f"{encode({'alg': 'none', 'typ': 'JWT'})}.{admin}.",
        "alg none with the signature": f"{encode({'alg': 'none', 'typ': 'JWT'})}.{payload}.{signature}",
        "one character changed": f"{header}.{payload[:20]}{middle}{payload[21:]}.{signature}",
        "four parts": f"{token}.{signature}",
        "two parts": f"{header}.{payload}",
        "nothing": "",
    }


def respelled(token: str) -> dict[str, str]:
    """The same bytes signed by the same secret, not in the one spelling that RFC 7515 allows."""
    signed, signature = token.rsplit(".", 1)
    return {
        "a padded signature": f"{signed}.{signature}=",
        "a line end inside": f"{signed}.{signature[:20]}\n{signature[20:]}",
    }


def encode(value: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def check_program(command: list[str], made: dict) -> None:
    name = Path(command[-1]).name

    def run(token: str, secret_key: str) -> subprocess.CompletedProcess:
        environment = os.environ | {"SECRET_KEY": secret_key, "PYTHONUTF8": "1"}
        return subprocess.run(command, input=token, capture_output=True, text=True, encoding="utf-8", env=environment)

    def expect_refusal(token: str, secret_key: str, what: str) -> None:
        done = run(token, secret_key)
        refused = done.returncode == 1 and not done.stdout and len(done.stderr.splitlines()) == 1
        expect(refused, f"{name} on {what}: status {done.returncode}, {done.stdout!r}, {done.stderr!r}")

    if made["verdict"] == "expired":
        expect_refusal(made["token"], made["secret_key"], "an expired token")
        return
    done = run(made["token"] + "\n", made["secret_key"])
    expect(done.returncode == 0, f"{name} refuses a good token: {done.stderr!r}")
    expect(len(done.stdout.splitlines()) == 1, f"{name} prints more than a line")
    check_claims(json.loads(done.stdout), made, name)
    expect_refusal(made["token"], "another-secret-of-enough-length-0123456789", "a token of another secret")
    expect_refusal(made["token"], "short", "a short secret")
    for what, token in tampered(made["token"]).items():
        expect_refusal(token, made["secret_key"], what)
    if name != "verify.py":  # PyJWT decodes base64 leniently: no forgery, but a token has no single spelling there
        for what, token in respelled(made["token"]).items():
            expect_refusal(token, made["secret_key"], what)


def check_fastapi(tokens: list[dict]) -> None:
    """The example's routes, over FastAPI's own client, with good, expired, tampered and missing tokens."""
    from fastapi.testclient import TestClient

    good = [made for made in tokens if made["verdict"] != "expired" and made["secret_key"] == tokens[0]["secret_key"]]
    os.environ["SECRET_KEY"] = good[0]["secret_key"]
    sys.path.insert(0, str(EXAMPLES))
    import fastapi_app

    client = TestClient(fastapi_app.app)
    status = lambda path, token: client.get(path, headers={"authorization": f"Bearer {token}"} if token else {}).status_code
    seen = set()
    for made in good:
        role = made["claims"]["role"]
        expect(status("/hello", made["token"]) == 200, "FastAPI refuses a good token")
        expect(status("/report", made["token"]) == (200 if role == "admin" else 403), f"FastAPI on a token of role {role}")
        seen.add(role)
        for what, token in tampered(made["token"]).items():
            expect(status("/hello", token) == 401, f"FastAPI takes a token with {what}")
    expect(seen == {"user", "admin"}, "no token of each role")
    for made in tokens:
        if made["verdict"] == "expired":
            expect(status("/hello", made["token"]) == 401, "FastAPI takes an expired token")


def main() -> None:
    made = json.load(sys.stdin)
    expect(len(made["hashes"]) >= 15 and len(made["tokens"]) >= 12, "emit_interop printed too little")
    for each in made["hashes"]:
        check_hash(each)
    for each in made["tokens"]:
        check_with_pyjwt(each)
    with tempfile.TemporaryDirectory() as folder:
        programs = [[sys.executable, str(EXAMPLES / "verify.py")], ["node", str(EXAMPLES / "verify.mjs")]]
        if shutil.which("go"):
            binary = str(Path(folder) / "verify.go.bin")
            subprocess.run(["go", "build", "-o", binary, str(EXAMPLES / "verify.go")], check=True)
            programs.append([binary])
        else:
            print("interop: verify.go was not run, there is no go", file=sys.stderr)
        for program in programs:
            for each in made["tokens"]:
                check_program(program, each)
    check_fastapi(made["tokens"])
    print(f"interop: {len(made['hashes'])} hashes and {len(made['tokens'])} tokens read by {3 + len(programs)} readers")


main()
