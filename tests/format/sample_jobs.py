"""Runs samples as a user would, and the program `weir` on what they leave. For the tests here and in tests/data."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SAMPLES, WEIR = (os.path.realpath(path) for path in sys.argv[1:3])
READER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "read_checkpoint.py")


def weir(*arguments):
    done = subprocess.run([WEIR, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"weir {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def complete_checkpoints(directory):
    """0 while there is no store yet."""
    done = subprocess.run([WEIR, "checkpoints", "ls", directory, "--json"], capture_output=True, text=True)
    return json.loads(done.stdout)[-1]["id"] if done.returncode == 0 and len(done.stdout) > 3 else 0


def stored_entries(operator, state):
    done = subprocess.run([WEIR, "state", "scan", "state", operator, state], capture_output=True, text=True)
    return done.stdout.count("\n")


def wait_until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"after a minute there is still not {what}")
        time.sleep(0.01)


def free_ports(count):
    listening = [socket.socket() for _ in range(count)]
    for one in listening:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in listening]
    for one in listening:
        one.close()
    return ports


def whole(text):
    """43.0 and 43 are the same number in JSON."""
    number = float(text)
    return int(number) if number.is_integer() else number


def lines(rows):
    """Rows in an order of their own: that in which they are stored means nothing."""
    return sorted(json.dumps(json.loads(json.dumps(row), parse_float=whole), sort_keys=True) for row in rows)


class Jobs(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)

    def write(self, name, text, times=1):
        with open(name, "w") as file:
            for _ in range(times):
                file.write(text)

    def start(self, sample, *options):
        """Starts a job that stores checkpoints in `state`."""
        with open("printed", "w") as printed, open("log", "w") as log:
            job = subprocess.Popen([os.path.join(SAMPLES, sample), *options, "--checkpoint-dir", "state",
                                    "--checkpoint-interval", "20ms"],
                                   stdin=subprocess.DEVNULL, stdout=printed, stderr=log)
        self.addCleanup(job.wait)
        self.addCleanup(job.kill)
        return job

    def finish(self, job):
        if job.wait(120) != 0:
            with open("log") as log:
                self.fail(f"{job.args} ended with {job.returncode}: {log.read()}")

    def run_some(self, checkpoints, entries, write_input, sample, *options):
        """Runs a job until it has stored that many checkpoints and entries (operator, state, number), and stops it.
        write_input(N) writes N times as much as is usually enough to come so far."""
        def has_come_so_far():
            return complete_checkpoints("state") >= checkpoints and stored_entries(*entries[:2]) >= entries[2]
        for times in (1, 4, 16, 64):
            write_input(times)
            job = self.start(sample, *options)
            wait_until(lambda: job.poll() is not None or has_come_so_far(),
                       f"a checkpoint {checkpoints} with {entries}")
            job.send_signal(signal.SIGTERM)
            self.finish(job)
            with open("log") as log:
                if "job stopped" in log.read():
                    return
            shutil.rmtree("state")
            shutil.rmtree("out", ignore_errors=True)
        self.fail(f"{sample} ends before it can be stopped")

    def send(self, port, text):
        def is_sent():
            try:
                with socket.create_connection(("127.0.0.1", port)) as peer:
                    peer.sendall(text.encode())
                return True
            except ConnectionRefusedError:
                return False
        wait_until(is_sent, f"somebody who listens on port {port}")

    def wait_for_rows(self, operator, state, count):
        wait_until(lambda: stored_entries(operator, state) >= count,
                   f'{count} entries in state "{state}" of operator "{operator}"')

    def compare(self, path="state"):
        """Compares what both say of all checkpoints; returns the newest, its states by operator and name."""
        done = subprocess.run([READER, path], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = json.loads(done.stdout)
        stored = json.loads(weir("checkpoints", "ls", path, "--json"))
        kept = ("id", "completed", "attempt", "bytes", "operators", "key_groups", "last")
        self.assertEqual([{name: checkpoint[name] for name in kept} for checkpoint in found["checkpoints"]],
                         [{name: checkpoint[name] for name in kept} for checkpoint in stored])
        self.assertTrue(stored)
        for checkpoint in found["checkpoints"]:
            states = self.compare_states(path, checkpoint)
        return states, checkpoint

    def compare_states(self, path, checkpoint):
        number = str(checkpoint["id"])
        listed = json.loads(weir("state", "ls", path, "--at", number, "--json"))
        described = ("operator", "state", "shape", "kind", "time_to_live", "key_type", "type")
        self.assertEqual(lines({name: state[name] for name in described} for state in checkpoint["states"]),
                         lines({name: state[name] for name in described} for state in listed))
        states = {(state["operator"], state["state"]): state["rows"] for state in checkpoint["states"]}
        for operator, state in states:
            scanned = weir("state", "scan", path, operator, state, "--at", number, "--format", "json")
            self.assertEqual(lines(states[operator, state]),
                             lines(json.loads(line) for line in scanned.splitlines()),
                             f'state "{state}" of operator "{operator}" in checkpoint {number}')
        return states
