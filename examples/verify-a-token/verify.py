"""Verifies an access token of Doorward with PyJWT: token on stdin, secret in SECRET_KEY, claims on stdout."""

import json
import os
import sys

import jwt

CLAIMS = ["sub", "role", "jti", "iat", "exp"]


def verify(token: bytes, secret_key: str) -> dict:
    """The claims of `token`. Raises `jwt.PyJWTError` when it is expired, forged or not an access token."""
    # The algorithm is ours to choose, never the token's.
    return jwt.decode(token, secret_key, algorithms=["HS256"], options={"require": CLAIMS})


if __name__ == "__main__":
    secret_key = os.environ.get("SECRET_KEY", "")
    if len(secret_key.encode()) < 32:
        sys.exit("refused: SECRET_KEY must hold the server's secret: 32 bytes or more")
    try:
        print(json.dumps(verify(sys.stdin.buffer.read().strip(), secret_key)))
    except jwt.PyJWTError as error:
        sys.exit(f"refused: {error}")
