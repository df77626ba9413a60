"""argon2-cffi and libsodium, asked a line at a time as bench/argon2id's `rate` is."""

import sys
import threading
import time

from argon2.low_level import Type, hash_secret_raw
from nacl.bindings import crypto_pwhash_ALG_ARGON2ID13, crypto_pwhash_alg

PASSWORD, SALT = b"correct horse battery staple", b"sixteen bytes..."


def implementation(name, memory, iterations, lanes):
    if name == "libsodium":
        return lambda: crypto_pwhash_alg(32, PASSWORD, SALT, iterations, memory * 1024, crypto_pwhash_ALG_ARGON2ID13)
    return lambda: hash_secret_raw(PASSWORD, SALT, iterations, memory, lanes, 32, Type.ID)


def main():
    for line in sys.stdin:
        name, *numbers, seconds = line.split()
        memory, iterations, lanes, threads = map(int, numbers)
        hash_once = implementation(name, memory, iterations, lanes)
        hash_once()
        counts, start = [0] * threads, time.perf_counter()

        def work(index):
            while time.perf_counter() - start < float(seconds):
                hash_once()
                counts[index] += 1

        workers = [threading.Thread(target=work, args=[index]) for index in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(sum(counts), time.perf_counter() - start, flush=True)


main()
