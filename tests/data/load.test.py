#!/usr/bin/python3
"""What released formats have left still loads: the reader in tests/format and `weir` find in it what was written,
and the jobs go on from it and come to the right end.

    load.test.py SAMPLES_DIR WEIR_PROGRAM [UNITTEST_OPTION...]
"""

import collections
import glob
import json
import os
import re
import shutil
import signal
import sys
import unittest

DATA = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(DATA, "..", "format"))

import read_checkpoint
from sample_jobs import Jobs, free_ports, wait_until, weir

BACKENDS = ("memory", "directory", "lmdb")
FORMATS = sorted(os.path.basename(path) for path in glob.glob(os.path.join(DATA, "format-*")))
WORDS = " ".join(a + b for a in "abcdefghij" for b in "abcdefghij")
HAMLET = "To be, or not to be:\nthat is the question.\n"
LABELS = 201


class Stored(Jobs):
    """What a format has left, each with what is in it."""

    def each(self):
        for form in FORMATS:
            for description in sorted(glob.glob(os.path.join(DATA, form, "*.json"))):
                with open(description) as file:
                    expected = json.load(file)
                path = description.removesuffix(".json")
                yield path if os.path.isdir(path) else path + ".weir", expected

    def put_into(self, directory, path):
        shutil.rmtree(directory, ignore_errors=True)
        if path.endswith(".weir"):
            weir("savepoint", "import", path, directory)
        else:
            shutil.copytree(path, directory)

    def test_the_reader_finds_what_was_written(self):
        for path, expected in self.each():
            with self.subTest(path):
                self.assertEqual(json.loads(json.dumps(read_checkpoint.read(path))), expected)

    def test_weir_finds_what_was_written(self):
        for path, expected in self.each():
            with self.subTest(path):
                self.put_into("state", path)
                self.assertNotIn("DAMAGED", weir("checkpoints", "verify", "state"))
                stored = json.loads(weir("checkpoints", "ls", "state", "--json"))
                self.assertEqual([(one["id"], one["completed"], one["bytes"]) for one in stored],
                                 [(one["id"], one["completed"], one["bytes"]) for one in expected["checkpoints"]])
                for checkpoint in expected["checkpoints"]:
                    self.compare_states("state", checkpoint)


class GoesOn(Jobs):
    """Jobs that start from what a format has left."""

    put_into = Stored.put_into

    def each(self, name, backends=BACKENDS):
        """Puts the checkpoint of that name into `state` and gives the options to start with it, for each backend."""
        for form in FORMATS:
            for backend in backends:
                path = os.path.join(DATA, form, name)
                self.put_into("state", path if os.path.isdir(path) else path + ".weir")
                shutil.rmtree("out", ignore_errors=True)
                yield ["--state-backend", backend]

    def run_on(self, sample, *options):
        self.finish(self.start(sample, *options))
        with open("log") as log:
            self.assertIn("job runs from a checkpoint", log.read())

    def printed(self):
        with open("printed") as file:
            return sorted(file.read().splitlines())

    def written(self):
        found = []
        for part in glob.glob("out/part-*"):
            with open(part) as file:
                found += file.read().splitlines()
        return sorted(found)

    def wait_for_printed(self, count):
        wait_until(lambda: len(self.printed()) >= count, f"{count} lines in {os.getcwd()}/printed")

    def stop(self, job):
        job.send_signal(signal.SIGTERM)
        self.finish(job)

    def count_words(self, name):
        self.write("words.txt", WORDS + "\n" + HAMLET * 500000)
        counts = collections.Counter(WORDS.split())
        for word in re.findall("[a-z]+", HAMLET.lower()):
            counts[word] += 500000
        for options in self.each(name):
            self.run_on("word_count", "--input", "words.txt", "--output", "out", "--parallelism", "2",
                        "--key-groups", "4", *options)
            self.assertEqual(self.written(), sorted(f"{word}\t{count}" for word, count in counts.items()))

    def test_counts_in_lmdb(self):
        self.count_words("word_count")

    def test_counts_in_files(self):
        self.count_words("word_count_as_files")

    def test_sessions_and_timers(self):
        self.write("clicks.txt", "1 ann /\n4 b\u00f6b /cart\n9 ann /pay\n" * 500000)
        for options in self.each("sessions"):
            self.run_on("sessions", "--input", "clicks.txt", *options)
            self.assertEqual(self.printed(), ["ann: 1000000 clicks from 1 to 9 s",
                                              "b\u00f6b: 500000 clicks from 4 to 4 s"])

    def test_windows_of_fixed_size(self):
        self.write("spoken.txt", "61 a b a\n55 c\n" * 500000)
        until = [f"until {end} s: a 1000000 b 500000" for end in range(70, 130, 10)]
        for options in self.each("top_n"):
            self.run_on("top_n", "--input", "spoken.txt", "--most", "2", *options)
            self.assertEqual(self.printed(), sorted(["until 60 s: c 500000", *until]))

    def test_values_lists_and_records_under_way(self):
        self.write("edges.txt", "".join(f"{i - 1} {i}\n" for i in range(LABELS - 1, 0, -1)))
        for options in self.each("connected_components"):
            self.run_on("connected_components", "--input", "edges.txt", "--output", "out", "--key-groups", "2",
                        *options)
            self.assertEqual(self.written(), sorted(f"{i} 0" for i in range(LABELS)))

    def test_finished_jobs(self):
        """They have nothing to do, but claim all of their state."""
        self.write("logins.txt", "1 ann 10.0.0.1 Oslo 08:00\n2 bob 10.0.0.2 Rome 08:05\n")
        for options in self.each("login_check"):
            self.run_on("login_check", "--input", "logins.txt", *options)
            self.assertEqual(self.printed(), [])
        self.write("readings.txt", "kitchen 20\nhall 18.25\nkitchen 23\n")
        for options in self.each("average"):
            self.run_on("average", "--input", "readings.txt", *options)
            self.assertEqual(self.printed(), [])

    def test_operator_lists(self):
        for options in self.each("buffering_sink"):
            port, = free_ports(1)
            job = self.start("buffering_sink", "--port", str(port), "--threshold", "3", *options)
            self.send(port, "c\n")
            self.wait_for_printed(3)
            self.stop(job)
            self.assertEqual(self.printed(), ["a", "b", "c"])

    def test_broadcast_state_and_maps(self):
        for options in self.each("buy_path"):
            port, rules = free_ports(2)
            job = self.start("buy_path", "--actions-port", str(port), "--rules-port", str(rules), "--parallelism", "3",
                             *options)
            self.send(port, "ann web buy\n")
            self.wait_for_printed(1)
            self.stop(job)
            self.assertEqual(self.printed(), ["ann bought by web in 2 steps"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
