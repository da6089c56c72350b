#!/usr/bin/python3
"""What the reader that knows only docs/format/checkpoint.md finds is what `weir` finds.

Runs samples, which leave checkpoints, and compares every operator and state of every checkpoint. Then damages
what they left: no byte may change what is read without an error.

    read_checkpoint.test.py SAMPLES_DIR WEIR_PROGRAM [UNITTEST_OPTION...]
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import unittest

import read_checkpoint
from lmdb_file import Damaged
from sample_jobs import READER, Jobs, free_ports, lines, weir
from schema import Undecodable


class Reads:
    options = []

    def test_counts_source_positions_and_transactions(self):
        text = "To be, or not to be:\nthat is the question.\n"
        self.run_some(5, ("count", "accumulator", 8), lambda times: self.write("in.txt", text, times * 10**6),
                      "word_count", "--input", "in.txt", "--output", "out", "--parallelism", "2", *self.options)
        states, _ = self.compare()
        self.assertEqual(len(states["count", "accumulator"]), 8)
        self.assertTrue(states["lines", "weir.splits"])

    def test_a_finished_job(self):
        self.write("in.txt", "to be\n")
        self.finish(self.start("word_count", "--input", "in.txt", "--output", "out", *self.options))
        states, newest = self.compare()
        self.assertTrue(newest["last"])
        self.assertEqual(len(states["result", "weir.transactions"]), 1)

    def test_session_windows_and_timers(self):
        text = "1 ann /\n4 b\u00f6b /cart\n9 ann /pay\n"
        self.run_some(3, ("sessions", "windows", 2), lambda times: self.write("in.txt", text, times * 10**6),
                      "sessions", "--input", "in.txt", *self.options)
        states, _ = self.compare()
        self.assertEqual(len(states["sessions", "windows"]), 2)
        self.assertEqual(len(states["sessions", "weir.timers"]), 2)

    def test_windows_of_fixed_size(self):
        text = "61 a b a\n55 c\n"
        self.run_some(3, ("count", "accumulator", 3), lambda times: self.write("in.txt", text, times * 10**6),
                      "top_n", "--input", "in.txt", "--parallelism", "2", *self.options)
        states, _ = self.compare()
        # One row in each slice of 10 s for each word.
        self.assertEqual(len(states["count", "accumulator"]), 3)

    def test_a_join(self):
        self.write("orders.txt", "1 7 lamp\n2 8 chair\n")
        # Lines that are no payment keep the job busy and leave no state.
        text = "9 9 1.00\n" + "-\n" * 10**6
        self.run_some(3, ("payments", "weir.splits", 1), lambda times: self.write("payments.txt", text, times),
                      "enrichment", "--orders", "orders.txt", "--payments", "payments.txt", *self.options)
        self.compare()

    def test_a_map_with_a_time_to_live(self):
        self.write("in.txt", "1 ann 10.0.0.1 Oslo 08:00\n2 bob 10.0.0.2 Rome 08:05\n")
        self.finish(self.start("login_check", "--input", "in.txt", *self.options))
        states, _ = self.compare()
        self.assertEqual(len(states["check", "last login"]), 2)
        self.assertIn("refreshed", states["check", "last login"][0])

    def test_an_aggregating_state(self):
        self.write("in.txt", "kitchen 20\nhall 18.25\ncellar inf\n")
        self.finish(self.start("average", "--input", "in.txt", *self.options))
        states, _ = self.compare()
        self.assertEqual(len(states["mean", "mean"]), 3)

    def test_values_lists_deltas_and_records_under_way(self):
        # A path of vertices: labels take so many rounds that checkpoints are taken in the middle.
        def path(times):
            self.write("in.txt", "".join(f"{i - 1} {i}\n" for i in range(times * 1500, 0, -1)))
        for _ in range(20):
            self.run_some(4, ("spread", "neighbours", 1500), path, "connected_components", "--input", "in.txt",
                          "--output", "out", "--parallelism", "2",
                          "--checkpoint-mode", "unaligned", "--checkpoint-retained", "4", *self.options)
            states, newest = self.compare()
            self.assertTrue(states["spread", "label"])
            self.compare_savepoint(newest)
            # Now and then nothing is under way at that moment.
            if newest["channels"]:
                return
            shutil.rmtree("state")
            shutil.rmtree("out")
        self.fail("there never are records under way")

    def compare_savepoint(self, newest):
        weir("savepoint", "export", "state", "state/savepoint.weir")
        self.assertEqual(read_checkpoint.read("state/savepoint.weir")["checkpoints"], [newest])

    def test_operator_lists(self):
        port, = free_ports(1)
        job = self.start("buffering_sink", "--port", str(port), *self.options)
        self.send(port, "a\nb\n")
        self.wait_for_rows("print", "waiting", 2)
        job.send_signal(signal.SIGTERM)
        self.finish(job)
        states, _ = self.compare()
        self.assertEqual(lines(states["print", "waiting"]), ['{"value": "a"}', '{"value": "b"}'])

    def test_broadcast_state(self):
        actions, rules = free_ports(2)
        job = self.start("buy_path", "--actions-port", str(actions), "--rules-port", str(rules),
                         "--parallelism", "2", *self.options)
        self.send(rules, "web 2\n")
        self.send(actions, "ann web visit\nbob shop visit\n")
        self.wait_for_rows("path", "steps", 2)
        self.wait_for_rows("path", "rules", 1)
        job.send_signal(signal.SIGTERM)
        self.finish(job)
        states, _ = self.compare()
        self.assertEqual(states["path", "rules"], [{"key": "web", "value": 2}])

    def test_what_is_cut_off_is_told(self):
        self.write("in.txt", "1 ann 10.0.0.1 Oslo 08:00\n")
        self.finish(self.start("login_check", "--input", "in.txt", *self.options))
        path = os.path.join("state", self.file)
        os.truncate(path, os.path.getsize(path) // 2)
        done = subprocess.run([READER, "state"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(path, done.stderr)


class ReadsLmdb(Reads, Jobs):
    options = ["--state-backend", "memory"]
    file = "checkpoints.mdb"


class ReadsFiles(Reads, Jobs):
    options = ["--state-backend", "directory"]
    file = "checkpoint-00000000000000000001.weir"


class FindsDamage(Jobs):
    def flip(self, path, step, opened):
        """Changes one byte after the other; what can be read then must be what was there."""
        right = json.dumps(read_checkpoint.read(opened), sort_keys=True)
        with open(path, "rb") as file:
            good = file.read()
        found = 0
        for at in range(0, len(good), step):
            damaged = bytearray(good)
            damaged[at] ^= 0xFF if at % 2 else 1 << at // 2 % 8
            with open(path, "wb") as file:
                file.write(damaged)
            try:
                read = read_checkpoint.read(opened)
                self.assertEqual(json.dumps(read, sort_keys=True), right, f"{path}: byte {at}")
            except (Damaged, Undecodable) as problem:
                self.assertTrue(str(problem))
                found += 1
        with open(path, "wb") as file:
            file.write(good)
        return found

    def test_a_changed_byte_of_a_file_is_told(self):
        self.write("in.txt", "1 ann 10.0.0.1 Oslo 08:00\n2 bob 10.0.0.2 Rome 08:05\n")
        self.finish(self.start("login_check", "--input", "in.txt", *ReadsFiles.options))
        path = os.path.join("state", ReadsFiles.file)
        # Nothing in the file is without a checksum.
        self.assertEqual(self.flip(path, 1, "state"), os.path.getsize(path))
        with open(path, "r+b") as file:
            file.seek(20)
            file.write(b"\xff")
        done = subprocess.run([READER, "state"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn('checkpoint 1: key group', done.stderr)

    def test_another_version_is_told(self):
        stores = os.path.join(os.path.dirname(READER), "..", "snapshot", "data")
        for version in (1, 2, 3):
            os.makedirs("state", exist_ok=True)
            shutil.copy(os.path.join(stores, f"format-{version}.mdb"), os.path.join("state", ReadsLmdb.file))
            with self.assertRaisesRegex(Damaged, f"expected format 4, found format {version}"):
                read_checkpoint.read("state")

    def test_a_changed_byte_of_an_lmdb_file_is_told_or_changes_nothing(self):
        self.write("in.txt", "1 ann 10.0.0.1 Oslo 08:00\n2 bob 10.0.0.2 Rome 08:05\n")
        self.finish(self.start("login_check", "--input", "in.txt", *ReadsLmdb.options))
        self.assertGreater(self.flip(os.path.join("state", ReadsLmdb.file), 17, "state"), 50)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
