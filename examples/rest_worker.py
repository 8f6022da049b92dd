#!/usr/bin/env python3
"""A worker with nothing but an HTTP client: leases tasks over REST, keeps their leases, reports.

    rest_worker.py --group GROUP [--pod POD] [--name NAME] [--tasks N]

The server and the token come from CAPATAZ_SERVER and CAPATAZ_TOKEN, else from
http://127.0.0.1:7117 and ./capataz-data/admin-token. Python's standard library is enough.
"""

import argparse
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

POLL_SECONDS = 20
OUTPUT_BYTES = 256 * 1024
TAIL_BYTES = 8 * 1024


class Refused(Exception):
    """The server refuses, and says why in a problem document."""

    def __init__(self, problem):
        super().__init__(problem.get("detail"))
        self.code = problem.get("code")
        self.transient = problem.get("status") == 503


class Server:
    """Sends JSON to the server and reads its answers."""

    def __init__(self, url, token):
        self.url, self.token = url.rstrip("/"), token

    def post(self, path, body, timeout=10):
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={
                "Authorization": "Bearer " + self.token,
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)) from None

    def post_until_answered(self, path, body, timeout=10):
        """Repeats the same request until there is an answer: each is safe to repeat."""
        pause = 0.1
        while True:
            try:
                return self.post(path, body, timeout)
            except Refused as refused:
                if not refused.transient:
                    raise
                why = refused
            except (OSError, ValueError) as error:
                why = error
            print(f"no answer ({why}), asking again in {pause:.1f} s", file=sys.stderr)
            time.sleep(pause)
            pause = min(pause * 2, 5)


class Attempt:
    """One leased attempt: runs it while a thread keeps its lease."""

    def __init__(self, server, lease, lease_ttl):
        self.server, self.lease, self.lease_ttl = server, lease, lease_ttl
        self.path = f"/api/v1/attempts/{lease['task']}/{lease['attempt']}"
        self.over = threading.Event()
        self.lost = threading.Event()
        self.child = None

    def keep(self):
        """Renews the lease until the work is over; stops the work when the lease is lost."""
        kept_until = time.monotonic() + self.lease_ttl
        while not self.over.wait(self.lease_ttl / 3):
            sent = time.monotonic()
            try:
                self.server.post(self.path + "/heartbeat", {}, timeout=self.lease_ttl / 3)
                kept_until = sent + self.lease_ttl
            except Refused as refused:
                if not refused.transient:
                    return self.stop(refused)
            except (OSError, ValueError):
                pass
            if time.monotonic() > kept_until:
                return self.stop("the lease ran out")

    def stop(self, why):
        print(f"task {self.lease['task']} is not ours any more: {why}", file=sys.stderr)
        self.lost.set()
        child = self.child
        if child is not None and child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)

    def run(self):
        """Runs the task and reports how it ended."""
        self.server.post_until_answered(self.path + "/start", {})
        keeper = threading.Thread(target=self.keep, daemon=True)
        keeper.start()
        began = time.monotonic()
        try:
            verb, report = self.work()
        finally:
            self.over.set()
        keeper.join()
        report["usage"] = {"wall": round(time.monotonic() - began, 6)}
        if self.lost.is_set():
            # Says that the work is gone, so that its slot is free at once.
            verb, report = "fail", {"message": "stopped: the lease was lost"}
        try:
            self.server.post_until_answered(f"{self.path}/{verb}", report)
        except Refused as refused:
            print(f"the report was not taken: {refused}", file=sys.stderr)

    def work(self):
        """Runs argv with the payload on its stdin; without argv the payload is the output."""
        spec = self.lease["spec"]
        payload = bytes_of(spec.get("payload", ""))
        if not spec.get("argv"):
            return "complete", {"output": payload.decode("utf-8", "replace")}
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "CAPATAZ_TASK_ID": self.lease["task"],
            "CAPATAZ_ATTEMPT": str(self.lease["attempt"]),
            **spec.get("env", {}),
        }
        try:
            self.child = subprocess.Popen(
                spec["argv"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
            stdout, stderr = self.child.communicate(payload, timeout=spec.get("timeout"))
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.communicate()
            return "fail", {"reason": "timeout", "message": "it ran longer than its timeout"}
        except OSError as error:
            return "fail", {"reason": "could_not_start", "message": str(error)}
        report = {
            "exit_code": self.child.returncode if self.child.returncode >= 0 else None,
            "stdout_tail": text(stdout[-TAIL_BYTES:]),
            "stderr_tail": text(stderr[-TAIL_BYTES:]),
        }
        if self.child.returncode == 0:
            report["output"] = text(stdout[:OUTPUT_BYTES])
            report["output_cut"] = len(stdout) > OUTPUT_BYTES
            return "complete", report
        if self.child.returncode < 0:
            report["signal"] = -self.child.returncode
        report["message"] = f"it ended with {self.child.returncode}"
        return "fail", report


def bytes_of(payload):
    """A payload is a text, or base64 when it is not UTF-8."""
    if isinstance(payload, str):
        return payload.encode()
    return base64.b64decode(payload["base64"])


def text(data):
    """What was printed as JSON: a text, or base64 when it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def token():
    if "CAPATAZ_TOKEN" in os.environ:
        return os.environ["CAPATAZ_TOKEN"]
    with open("capataz-data/admin-token", encoding="utf-8") as file:
        return file.read().strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--group", action="append", required=True)
    parser.add_argument("--pod", default=socket.gethostname())
    parser.add_argument("--name", default=f"{socket.gethostname()}-{uuid.uuid4().hex[:6]}")
    parser.add_argument("--tasks", type=int, help="end after so many tasks")
    options = parser.parse_args()
    server = Server(os.environ.get("CAPATAZ_SERVER", "http://127.0.0.1:7117"), token())
    done = 0
    while options.tasks is None or done < options.tasks:
        # Made before the first try, so that a lost answer can be asked for again.
        poll = {
            "worker": options.name,
            "host": socket.gethostname(),
            "pod": options.pod,
            "groups": options.group,
            "max": 1,
            "wait": POLL_SECONDS,
            "poll_id": uuid.uuid4().hex,
        }
        answer = server.post_until_answered("/api/v1/leases", poll, timeout=POLL_SECONDS + 10)
        for lease in answer["leases"]:
            print(f"task {lease['task']}, attempt {lease['attempt']}")
            try:
                Attempt(server, lease, answer["lease_ttl"]).run()
            except Refused as refused:
                print(f"task {lease['task']} is not ours any more: {refused}", file=sys.stderr)
            done += 1


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except Refused as refused:
        sys.exit(f"the server refuses: {refused}")
