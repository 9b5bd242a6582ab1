"""The recording of what a service stores: its arguments, which series it keeps, and what it leaves out."""

import contextlib
import io
import json
import os
import re
import tempfile
import unittest
from pathlib import Path

from datasets.app import faults
from datasets.app.recording.__main__ import arguments, recorded
from datasets.app.recording.pack import SERIES, relabelled, without_paths


class Packing(unittest.TestCase):
    def test_series_of_the_application_have_its_job_and_no_address(self):
        self.assertEqual(relabelled('db_pool_in_use{instance="127.0.0.1:21801",job="api",pool="orm"}'),
                         'db_pool_in_use{instance="api",job="app",pool="orm"}')
        self.assertEqual(relabelled('pg_server_connections{database="app"}'), 'pg_server_connections{database="app"}')

    def test_series_that_advisors_read_are_kept(self):
        kept = ("db_pool_in_use", "db_pool_checkouts_total", "db_pool_hold_seconds_bucket", "db_pool_wait_seconds_count", "db_batch_rows_sum",
                "db_batch_seconds_bucket", "pg_server_connections", "pg_connections", "pg_database_blocks_read_total", "pg_oldest_transaction_seconds")
        for name in kept:
            self.assertTrue(re.search(SERIES, name), name)
        for name in ("db_pool_hold_seconds_created", "http_requests_total", "db_query_duration_seconds_bucket", "pg_statement_calls_total", "up"):
            self.assertFalse(re.search(SERIES, name), name)

    def test_settings_that_are_paths_are_left_out(self):
        catalogue = {"database": "app", "settings": {"work_mem": "4MB", "data_directory": "/tmp/x"}, "tables": []}
        self.assertEqual(json.loads(without_paths(json.dumps(catalogue))), {**catalogue, "settings": {"work_mem": "4MB"}})


class Arguments(unittest.TestCase):
    def test_every_fault_that_a_database_shows_is_recorded(self):
        on = faults.parse(",".join(recorded()))
        self.assertTrue({"small_batches", "spilling_report", "n_plus_one_serial", "pool_too_small", "missing_order_index"} <= on)
        self.assertFalse({"one_ttl", "compress_nothing", "compress_everything"} & on)

    def test_wrong_calls_are_refused_with_a_line(self):
        with tempfile.TemporaryDirectory(prefix="almanac-app-test-") as folder:
            binary, out = Path(folder) / "almanac", Path(folder) / "out"
            binary.write_text("#!/bin/sh\n")
            for mode, options, expected in ((0o644, ["--out", str(out)], "is missing; run make build"), (0o755, ["--out", folder], "not an empty folder"),
                                            (0o755, ["--out", str(out), "--minutes", "5"], "--minutes 5.0 is not between 6"), (0o755, [], "--out")):
                os.chmod(binary, mode)
                with self.assertRaises(SystemExit) as ended, contextlib.redirect_stderr(io.StringIO()) as said:
                    arguments(["--almanac", str(binary), *options])
                self.assertEqual(ended.exception.code, 2)
                self.assertIn(expected, said.getvalue())
            self.assertTrue(arguments(["--almanac", str(binary), "--out", str(out)]).out.is_dir())


if __name__ == "__main__":
    unittest.main()
