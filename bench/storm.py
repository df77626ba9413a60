"""Clients that refresh, log in and log out without pause, and know what they were told."""

import http.client
import threading
import time

import cluster

#: Answers that a client may get while something is broken.
EXCUSED = {"STORE_UNAVAILABLE", "OVERLOADED"}


class Client(threading.Thread):
    """One person with one session. Asks the nodes in turn, and another one when one is silent."""

    def __init__(self, storm, number):
        super().__init__(daemon=True)
        self.storm, self.number = storm, number
        self.turn = number if isinstance(number, int) else 0
        #: Refresh tokens of the session that were acknowledged, oldest first.
        self.chain = []
        #: Whether a refresh with the newest of them went without an answer: it may have happened.
        self.is_uncertain = False
        self.rotations = 0

    def run(self):
        try:
            self.register()
            while not self.storm.is_over.is_set():
                self.rotate() if self.chain else self.log_in()
        except Exception as error:  # a thread's failure must reach the one who reports
            self.storm.violation(f"client {self.number}: {error!r}")

    def ask(self, path, body):
        """The status and body of an answer; None when there is none, or an excused one."""
        self.turn += 1
        node = self.storm.nodes[self.turn % len(self.storm.nodes)]
        moment = time.monotonic()
        try:
            status, answer, headers = node.send("POST", path, body)
        except (OSError, http.client.HTTPException) as error:
            self.storm.note(node, moment, False, type(error).__name__)
            time.sleep(0.02)
            return None
        # Two who use one token at once may contend: nothing else is limited here.
        if status == 429 and headers.get("Retry-After"):
            self.storm.note(node, moment, False, "429")
            time.sleep(0.02)
            return None
        if status >= 500:
            code = (answer or {}).get("code")
            if status != 503 or code not in EXCUSED or "detail" not in answer or not headers.get("Retry-After"):
                self.storm.violation(f"{path} answered {status} {answer}")
            self.storm.note(node, moment, False, f"503 {code}")
            time.sleep(0.02)
            return None
        self.storm.note(node, moment, True, str(status))
        return status, answer

    def register(self):
        while not self.storm.is_over.is_set():
            answer = self.ask("/auth/register", cluster.account(f"{self.storm.name}{self.number}"))
            if answer:
                # 409: one that had no answer had happened.
                if answer[0] not in (201, 409):
                    self.storm.violation(f"registration answered {answer}")
                return

    def log_in(self):
        answer = self.ask("/auth/login", cluster.account(f"{self.storm.name}{self.number}"))
        if answer and answer[0] == 200:
            self.chain, self.is_uncertain = [answer[1]["refresh_token"]], False
        elif answer:
            self.storm.violation(f"login of an acknowledged account answered {answer}")

    def rotate(self):
        answer = self.ask("/auth/refresh", {"refresh_token": self.chain[-1]})
        if answer is None:
            self.is_uncertain = True
        elif answer[0] == 200:
            if self.is_uncertain:
                self.storm.count("unanswered refreshes that were good when tried again")
            self.chain.append(answer[1]["refresh_token"])
            self.rotations += 1
            self.is_uncertain = False
            if len(self.chain) % 20 == 0:
                self.log_out()
        else:
            self.storm.violation(f"an acknowledged refresh token was answered {answer}")
            self.chain = []

    def log_out(self):
        token = self.chain[-1]
        self.chain = []
        answer = self.ask("/auth/logout", {"refresh_token": token})
        if answer and answer[0] == 204:
            self.storm.ended.append(token)
        elif answer:
            self.storm.violation(f"logout answered {answer}")

    def check(self):
        """After the storm: the newest token is good, and the one before it ends the session."""
        if not self.chain:
            return
        answer = self.ask("/auth/refresh", {"refresh_token": self.chain[-1]})
        if answer is None:
            self.storm.violation("no answer after all is well")
        elif answer[0] != 200:
            self.storm.violation(f"an acknowledged refresh token was answered {answer}")
        elif len(self.chain) > 1:
            again = self.ask("/auth/refresh", {"refresh_token": self.chain[-2]})
            last = self.ask("/auth/refresh", {"refresh_token": answer[1]["refresh_token"]})
            if [again[1].get("code"), last[1].get("code")] != ["AUTH_TOKEN_REUSE", "AUTH_REFRESH_INVALID"]:
                self.storm.violation(f"two live tokens in a session: {again} {last}")


class Twins(threading.Thread):
    """Two holders of one refresh token use it at once on two nodes, over and over: there is one successor."""

    def __init__(self, storm):
        super().__init__(daemon=True)
        self.storm = storm
        self.client = Client(storm, "twins")

    def run(self):
        try:
            self.client.register()
            while not self.storm.is_over.is_set():
                self.client.log_in()
                if self.client.chain:
                    self.spend_twice(self.client.chain.pop())
                time.sleep(0.05)
        except Exception as error:
            self.storm.violation(f"twins: {error!r}")

    def spend_twice(self, token):
        answers = []
        holders = [Client(self.storm, number) for number in range(2)]
        ask = lambda holder: answers.append(holder.ask("/auth/refresh", {"refresh_token": token}))
        threads = [threading.Thread(target=ask, args=(holder,)) for holder in holders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len({answer[1]["refresh_token"] for answer in answers if answer and answer[0] == 200}) > 1:
            self.storm.violation("a refresh token was spent twice")
        self.storm.count("tokens offered twice at once")


class Storm:
    """Clients at work on `nodes`, a list that may change meanwhile."""

    def __init__(self, nodes, name, clients=8):
        self.nodes, self.name = nodes, name
        self.is_over = threading.Event()
        self.lock = threading.Lock()
        self.violations, self.counts, self.ended, self.notes = [], {}, [], []
        self.clients = [Client(self, number) for number in range(clients)]
        self.twins = Twins(self)
        for thread in [*self.clients, self.twins]:
            thread.start()

    def note(self, node, moment, is_good, outcome):
        with self.lock:
            self.notes.append((moment, time.monotonic(), node, is_good, outcome))

    def violation(self, text):
        with self.lock:
            self.violations.append(text)

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def failures(self, since=0.0):
        """How often each outcome was seen that is no answer or an excused one."""
        with self.lock:
            bad = [outcome for _, end, _, is_good, outcome in self.notes if not is_good and end >= since]
        return {outcome: bad.count(outcome) for outcome in sorted(set(bad))}

    def served_again(self, back):
        """Waits until every node has served since `back`; seconds from then to the last failure's end."""
        def all_serve():
            with self.lock:
                recent = [note for note in self.notes if note[0] > back]
            last = {id(node): [note[3] for note in recent if note[2] is node][-10:] for node in self.nodes}
            return all(len(outcomes) == 10 and all(outcomes) for outcomes in last.values())

        cluster.wait_until(all_serve, what="service on every node")
        with self.lock:
            failed = [end for _, end, _, is_good, _ in self.notes if not is_good and end > back]
        return max((end - back for end in failed), default=0.0)

    def end(self):
        """Stops the clients and checks what each knows. The number of acknowledged rotations."""
        self.is_over.set()
        for thread in [*self.clients, self.twins]:
            thread.join(timeout=60)
            if thread.is_alive():
                self.violation("a client hangs")
        for client in self.clients:
            client.check()
        for token in self.ended[-50:]:
            answer = self.clients[0].ask("/auth/refresh", {"refresh_token": token})
            if not answer or answer[1].get("code") != "AUTH_REFRESH_INVALID":
                self.violation(f"a session that was logged out lives: {answer}")
        if self.violations:
            raise AssertionError("\n".join(self.violations[:10]))
        rotations = sum(client.rotations for client in self.clients)
        assert rotations > 0, "nothing happened"
        return rotations
