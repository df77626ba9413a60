"""Prints hashes made by passlib, Django, bcrypt, Werkzeug and pwdlib, as crates/doorward/tests/vectors/foreign.json.

Every library makes its own salts: the vectors differ from run to run. Made once, by hand:

    pip install -r scripts/interop/foreign-requirements.txt
    python3 scripts/interop/make_foreign_vectors.py > crates/doorward/tests/vectors/foreign.json
"""

import hashlib
import json
import logging
from importlib.metadata import version

import bcrypt
import django.conf
from django.contrib.auth import hashers
from passlib import hash as passlib
from pwdlib.hashers.bcrypt import BcryptHasher
from werkzeug.security import generate_password_hash

logging.getLogger("passlib").setLevel(logging.CRITICAL)  # it looks for a version that bcrypt no longer tells
django.conf.settings.configure(USE_I18N=False)

PASSWORDS = [
    "correct horse battery staple",
    "пароль 🔑👩‍👩‍👧",
    "",
    "trailing space ",
    "e\u0301tude NFD",
    "0123456789abcdef" * 64,  # 1,024 bytes: of these bcrypt alone sees 72
]
BEFORE_72 = ["x" * 71, "x" * 72, "x" * 73]


def phc_pbkdf2(name, digest, password):
    """The PHC string of OWASP's and RustCrypto's making; no Python library writes it."""
    from base64 import b64encode

    encode = lambda data: b64encode(data).decode().rstrip("=")
    salt = b"sixteen bytes ok"
    tag = hashlib.pbkdf2_hmac(digest, password.encode(), salt, 1000)
    return f"$pbkdf2-{digest}$i=1000,l={len(tag)}${encode(salt)}${encode(tag)}"


def django_hash(hasher, password, **costs):
    hasher = hasher()
    for name, value in costs.items():
        setattr(hasher, name, value)
    return hasher.encode(password, hasher.salt())


def hashes(password):
    data = password.encode()
    for prefix in (b"2a", b"2b"):
        yield f"bcrypt, {prefix.decode()}", bcrypt.hashpw(data, bcrypt.gensalt(4, prefix)).decode()
    yield "bcrypt, 2y", bcrypt.hashpw(data, bcrypt.gensalt(5)).decode().replace("$2b$", "$2y$")
    yield "pwdlib, bcrypt", BcryptHasher(rounds=4).hash(password)
    yield "passlib, bcrypt", passlib.bcrypt.using(rounds=4).hash(password)
    yield "Django, bcrypt", django_hash(hashers.BCryptPasswordHasher, password, rounds=4)
    if password in BEFORE_72:
        return
    yield "passlib, bcrypt-sha256", passlib.bcrypt_sha256.using(rounds=4).hash(password)
    yield "passlib, bcrypt-sha256, version 1", passlib.bcrypt_sha256.using(rounds=4, version=1).hash(password)
    yield "passlib, scrypt", passlib.scrypt.using(rounds=4).hash(password)
    yield "passlib, scrypt, other lanes", passlib.scrypt.using(rounds=5, block_size=4, parallelism=3).hash(password)
    yield "passlib, pbkdf2-sha256", passlib.pbkdf2_sha256.using(rounds=1000).hash(password)
    yield "passlib, pbkdf2-sha512", passlib.pbkdf2_sha512.using(rounds=1000).hash(password)
    yield "passlib, django_pbkdf2_sha256", passlib.django_pbkdf2_sha256.using(rounds=1000).hash(password)
    yield "passlib, argon2", passlib.argon2.using(rounds=1, memory_cost=64, parallelism=1).hash(password)
    yield "Django, bcrypt_sha256", django_hash(hashers.BCryptSHA256PasswordHasher, password, rounds=4)
    yield "Django, pbkdf2_sha256", django_hash(hashers.PBKDF2PasswordHasher, password, iterations=1000)
    yield "Django, scrypt", django_hash(hashers.ScryptPasswordHasher, password, work_factor=2**6)
    yield "Django, argon2", django_hash(hashers.Argon2PasswordHasher, password, time_cost=1, memory_cost=64)
    yield "Werkzeug, scrypt", generate_password_hash(password, "scrypt:4096:8:1")
    yield "Werkzeug, pbkdf2:sha256", generate_password_hash(password, "pbkdf2:sha256:1000")
    yield "Werkzeug, pbkdf2:sha512", generate_password_hash(password, "pbkdf2:sha512:1000")
    yield "passlib, sha256_crypt", passlib.sha256_crypt.using(rounds=1000).hash(password)
    yield "passlib, sha512_crypt", passlib.sha512_crypt.using(rounds=1000).hash(password)
    yield "passlib, sha512_crypt, 5000", passlib.sha512_crypt.using(rounds=5000).hash(password)
    yield "passlib, ldap_salted_sha1", passlib.ldap_salted_sha1.hash(password)
    yield "passlib, ldap_salted_sha256", passlib.ldap_salted_sha256.hash(password)
    yield "passlib, ldap_salted_sha512", passlib.ldap_salted_sha512.hash(password)
    yield "passlib, ldap_sha512_crypt", passlib.ldap_sha512_crypt.using(rounds=1000).hash(password)
    yield "passlib, phpass", passlib.phpass.using(rounds=7).hash(password)
    yield "passlib, pbkdf2-sha1", passlib.pbkdf2_sha1.using(rounds=1000).hash(password)
    yield "passlib, django_pbkdf2_sha1", passlib.django_pbkdf2_sha1.using(rounds=1000).hash(password)
    yield "Werkzeug, pbkdf2:sha1", generate_password_hash(password, "pbkdf2:sha1:1000")
    yield "hashlib, pbkdf2-sha256", phc_pbkdf2("pbkdf2-sha256", "sha256", password)
    yield "hashlib, pbkdf2-sha512", phc_pbkdf2("pbkdf2-sha512", "sha512", password)


# What the libraries make when nobody sets a cost.
DEFAULTS = [
    ("bcrypt, default", bcrypt.hashpw(b"default", bcrypt.gensalt()).decode()),
    ("passlib, scrypt, default", passlib.scrypt.hash("default")),
    ("passlib, pbkdf2-sha256, default", passlib.pbkdf2_sha256.hash("default")),
    ("passlib, bcrypt-sha256, default", passlib.bcrypt_sha256.hash("default")),
    ("Django, default", django_hash(hashers.PBKDF2PasswordHasher, "default")),
    ("Django, scrypt, default", django_hash(hashers.ScryptPasswordHasher, "default")),
    ("Werkzeug, default", generate_password_hash("default")),
    ("pwdlib, bcrypt, default", BcryptHasher().hash("default")),
    ("passlib, sha512_crypt, default", passlib.sha512_crypt.hash("default")),
    ("passlib, ldap_bcrypt, default", "{CRYPT}" + passlib.bcrypt.using(rounds=4).hash("default")),
]

libraries = ("passlib", "Django", "bcrypt", "Werkzeug", "pwdlib", "argon2-cffi")
print(json.dumps({
    "made": "by scripts/interop/make_foreign_vectors.py on 2026-11-27; do not edit",
    "versions": {name: version(name) for name in libraries},
    "hashes": [
        {"maker": maker, "password": password, "hash": text}
        for password in PASSWORDS + BEFORE_72
        for maker, text in hashes(password)
    ] + [{"maker": maker, "password": "default", "hash": text} for maker, text in DEFAULTS],
}, indent=1))
