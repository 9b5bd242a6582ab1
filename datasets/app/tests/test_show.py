"""The show: recommendations against planted faults, figures before and after, and the tables."""

import contextlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path

from datasets.app import faults
from datasets.app.show import figures, match, page
from datasets.app.show.__main__ import arguments, planted

TRUTH = {fault["name"]: fault for fault in faults.truth(faults.FAULTS)}


def index(statement, table="public.tasks", method="btree", columns=(), include=(), where=None, statements=()):
    """Returns a recommendation on an index."""
    return {"id": statement, "kind": "index", "target": f"app:{statement}", "current": {}, "patch": {"format": "sql", "body": f"{statement};\n"},
            "proposed": {"statement": statement, "table": table, "columns": list(columns), "include": list(include), "where": where, "method": method},
            "evidence": {"statements": list(statements)}, "effect": {"value": 5e6, "lower": 4e6, "upper": 6e6}, "reason": "", "way": "review"}


def query(pattern, statement, calls=100.0, mean=10.0, saved=0.5):
    """Returns a recommendation on a statement; `saved`: seconds a day."""
    return {"id": statement, "kind": "query", "target": f"app:{pattern}/1", "current": {"statement": statement}, "proposed": {"statement": "SELECT"},
            "patch": {"format": "text", "body": ""}, "evidence": {"pattern": pattern, "route": None, "calls_per_day": calls, "mean_ms": mean},
            "effect": {"value": saved, "lower": 0.8 * saved, "upper": saved}, "reason": "", "way": "review"}


def turn(*statements, cost=(0.1, 20.0), scans=7):
    """Returns a turn with (statement, calls, milliseconds in all)."""
    return {"statements": [{"query": q, "calls": c, "total_exec_time": ms} for q, c, ms in statements], "cost": cost, "elapsed": 100.0,
            "indexes": {"x": {"bytes": 9, "scans": scans}},
            "load": {"requests": 9, "failed": 0}}


class Match(unittest.TestCase):
    def test_indexes_are_compared_by_columns_order_predicate_and_included_columns(self):
        for fault, columns, further, expected in (
                ("missing_order_index", ["user_id", "created_at DESC", "id DESC"], {}, True),
                ("missing_order_index", ["user_id", "created_at", "id"], {}, True),
                ("missing_order_index", ["user_id", "created_at"], {}, True),
                ("missing_order_index", ["user_id", "created_at DESC", "id"], {}, False),
                ("missing_order_index", ["created_at", "user_id", "id"], {}, False),
                ("missing_order_index", ["user_id"], {}, False),
                ("missing_composite_index", ["owner_id", "starts_at"], {}, True),
                ("missing_composite_index", ["owner_id", "starts_at"], {"include": ["title"]}, False),
                ("missing_partial_index", ["due_at"], {"where": "(status = 'open'::text)"}, True),
                ("missing_partial_index", ["due_at"], {"where": "status = 'done'"}, False),
                ("missing_partial_index", ["due_at"], {}, False),
                ("missing_partial_index", ["status", "due_at"], {}, True),
                ("missing_covering_index", ["team_id"], {"include": ["priority", "status"]}, True),
                ("missing_covering_index", ["team_id"], {}, False),
                ("missing_covering_index", ["team_id", "status"], {"include": ["priority"]}, True),
                ("missing_expression_index", ["lower(email)"], {}, True),
                ("missing_expression_index", ["(lower((email)::text))"], {}, True),
                ("missing_expression_index", ["email"], {}, False),
                ("missing_single_index", ["refresh_hash"], {"method": "hash"}, True),
                ("missing_single_index", ["refresh_hash"], {"method": "gin"}, False),
                ("ilike_search", ["title gin_trgm_ops"], {"method": "gin"}, True)):
            table = f"public.{TRUTH[fault]['creates'][0]['table']}"
            row = index("CREATE INDEX CONCURRENTLY x ON y (z)", table, columns=columns, **further)
            self.assertEqual(match.answers(row, TRUTH[fault]), expected, (fault, columns, further))
            self.assertFalse(match.answers({**row, "proposed": {**row["proposed"], "table": "public.other"}}, TRUTH[fault]))

    def test_every_hand_made_fix_answers_its_own_fault_alone(self):
        for name, fault in TRUTH.items():
            for wanted in fault["creates"]:
                row = index(wanted["statement"].replace("INDEX", "INDEX CONCURRENTLY"), f"public.{wanted['table']}", wanted["method"],
                            wanted["columns"], wanted["include"], wanted["where"])
                self.assertEqual([other for other in TRUTH if match.answers(row, TRUTH[other])], [name])
            if not fault["creates"]:
                for surplus in fault["drops"]:
                    row = index(f"DROP INDEX CONCURRENTLY public.{surplus['name']}", columns=surplus["columns"])
                    self.assertEqual([other for other in TRUTH if match.answers(row, TRUTH[other])], [name])

    def test_statements_are_compared_by_pattern_and_text(self):
        offset = "SELECT id FROM tasks WHERE status = $1\n ORDER BY created_at DESC LIMIT $2 OFFSET $3"
        self.assertTrue(match.answers(query("keyset", offset), TRUTH["offset_pages"]))
        self.assertFalse(match.answers(query("missing_limit", offset), TRUTH["offset_pages"]))
        self.assertFalse(match.answers(query("keyset", offset.replace("tasks", "users")), TRUTH["offset_pages"]))
        for name, fault in TRUTH.items():
            self.assertFalse(match.answers(query("or_columns", offset), fault), name)

    def test_two_loops_that_alternate_are_found_together(self):
        fault, tasks, users = TRUTH["n_plus_one_interleaved"], "SELECT id, title, status FROM tasks WHERE id = $1", "SELECT id, name FROM users WHERE id = $1"
        first, second = query("n_plus_one", tasks), query("n_plus_one", users)
        self.assertEqual(match.found([first], [fault]), {fault["name"]: []})
        self.assertEqual(match.found([first, second], [fault]), {fault["name"]: [first, second]})

    def test_a_pattern_is_split_outside_of_parentheses_alone(self):
        self.assertEqual(match.alternatives(r"a\(b|c(d|e)f|g\|h"), [r"a\(b", "c(d|e)f", r"g\|h"])

    def test_forms_do_not_depend_on_literals_and_space(self):
        self.assertEqual(match.form("SELECT a FROM b WHERE c IN ($1, $2) AND d = 'x'"), match.form("select a\n FROM b where c in ($1) AND d = $7;"))
        self.assertNotEqual(match.form("SELECT a1 FROM b"), match.form("SELECT a2 FROM b"))

    def test_a_change_that_two_ways_recommend_counts_once(self):
        review = [index("CREATE INDEX x ON tasks (a)"), query("keyset", "SELECT $1"), {"kind": "index", "target": "app", "state": "kept"}]
        advice = [index("CREATE INDEX x ON tasks (a)"), query("keyset", "SELECT  $1"), query("count_every_page", "SELECT $1"),
                  {"kind": "pool", "target": "orm", "proposed": {"size": 4}, "evidence": {}}]
        self.assertEqual(match.proposals(review, advice), [*review[:2], {**advice[2], "way": "service"}])


class Figures(unittest.TestCase):
    ROW = index("CREATE INDEX CONCURRENTLY x ON user_sessions (refresh_hash)", "public.user_sessions", columns=["refresh_hash"], statements=[
        {"family": "1", "statement": "SELECT a FROM s WHERE h = $1", "calls": 30, "mean_ms": 20.0, "expected_ms": 2.0},
        {"family": "2", "statement": "SELECT b FROM s WHERE h = $1", "calls": 10, "mean_ms": 40.0, "expected_ms": 4.0}])

    def test_predictions_and_effects_are_weighted_by_executions(self):
        self.assertEqual(figures.predicted(self.ROW), (25.0, 2.5))
        before = turn(("SELECT a FROM s WHERE h = $1", 30, 600.0), ("select b from s where h = $1", 10, 400.0), ("SELECT c", 5, 50.0))
        after = turn(("SELECT a FROM s WHERE h = $1", 60, 60.0), ("SELECT b FROM s WHERE h = $1", 5, 10.0))
        self.assertEqual(figures.applied_index(self.ROW, before, after), (25.0, 1.25))
        self.assertIsNone(figures.applied_index(self.ROW, before, turn(("SELECT c", 1, 1.0))))
        self.assertEqual(figures.predicted(query("keyset", "SELECT", calls=100.0, mean=10.0, saved=0.5)), (10.0, 5.0))
        self.assertIsNone(figures.predicted(index("DROP INDEX x")))

    def test_a_factor_needs_two_savings(self):
        for predicted, measured, good in ((0.9, 0.9, True), (0.9, 0.61, True), (0.9, 0.5, False), (0.3, 0.5, False), (0.9, -0.1, False), (0.9, None, False)):
            self.assertEqual(figures.is_good(figures.factor(predicted, measured)), good, (predicted, measured))

    def show(self, confirmed=True, after=50.0):
        """Returns lines and figures of a show with one index and one fault on a statement."""
        hashed, offset = "SELECT id, user_id FROM user_sessions WHERE refresh_hash = $1", "SELECT id FROM tasks LIMIT $1 OFFSET $2"
        wanted = [TRUTH["missing_single_index"], TRUTH["offset_pages"], TRUTH["redundant_index"]]
        rows = [index("CREATE INDEX CONCURRENTLY x ON user_sessions (refresh_hash)", "public.user_sessions", columns=["refresh_hash"], statements=[
            {"statement": hashed, "calls": 10, "mean_ms": 50.0, "expected_ms": 1.0}]), query("keyset", offset)]
        reports = {rows[0]["id"]: {"conclusion": {"confirmed": confirmed, "text": "times"}, "total": {"before_ms": 40.0, "after_ms": 1.0},
                                   "prediction": {"factor": 1.01}}, rows[1]["id"]: {"error": "pages | of a list"}}
        turns = {"planted": turn((hashed, 10, 500.0), (offset, 10, 500.0)), "indexes": turn((hashed, 10, 5.0), (offset, 10, 495.0)),
                 "applied": [turn((hashed, 10, after), ("SELECT id FROM tasks ORDER BY created_at DESC LIMIT $1", 10, 50.0))],
                 "handmade": [turn((hashed, 10, 50.0), ("SELECT", 10, 50.0), cost=(0.05, 1.0))]}
        lines = figures.rows_of(rows, reports, wanted, turns)
        return lines, figures.summary(lines, wanted, turns), turns

    def test_a_show_counts_what_was_found_and_confirmed(self):
        lines, found, _ = self.show()
        self.assertEqual([line["fault"] for line in lines], ["missing_single_index", "offset_pages"])
        self.assertEqual([line["applied"] for line in lines], [(50.0, 0.5), (495.0, 50.0)])
        self.assertEqual((found["index_faults"], found["index_faults_found"]), (["missing_single_index", "redundant_index"], ["missing_single_index"]))
        self.assertEqual((found["query_faults"], found["query_faults_found"]), (["offset_pages"], ["offset_pages"]))
        self.assertEqual((found["confirmed"], found["indexes"], found["copy_good"], found["copy_measured"]), (1, 1, 1, 1))
        self.assertEqual((found["applied_good"], found["applied_measured"]), (1, 2), "a half was predicted, nine tenths were saved")
        self.assertEqual((found["before"], found["after"], found["handmade"], found["indexes_alone"]), (1.0, 0.1, 0.1, 0.5))
        self.assertEqual((found["kept"], found["judged"]), (2, 2))
        lines, found, _ = self.show(confirmed=False)
        self.assertEqual((found["confirmed"], lines[0]["applied"]), (0, None), "what is not confirmed is not applied")

    def test_a_promise_is_kept_when_the_saving_reaches_its_low_end_and_the_index_is_used(self):
        row = index("CREATE INDEX CONCURRENTLY x ON tasks (a)")
        line = {"row": row, "is_drop": False, "predicted": (10.0, 2.0), "verdict": ("confirmed", "")}
        for applied, scans, expected in (((10.0, 2.0), 1, True), ((10.0, 3.5), 1, True), ((10.0, 3.7), 1, False), ((10.0, 1.0), 0, False), (None, 1, None)):
            self.assertEqual(figures.promise({**line, "applied": applied}, {"x": {"scans": scans}}), expected, applied)
        line = {"row": index("DROP INDEX CONCURRENTLY x"), "is_drop": True, "verdict": ("confirmed", "")}
        self.assertEqual([figures.promise(line, use) for use in ({}, {"x": {"scans": 0}})], [True, False])
        self.assertIsNone(figures.promise({**line, "verdict": ("not confirmed", "")}, {"x": {"scans": 0}}))
        self.assertIsNone(figures.promise({**line, "row": {**line["row"], "way": "service"}}, {"x": {"scans": 0}}))

    def test_the_tables_have_every_row_and_no_broken_cell(self):
        lines, found, turns = self.show(after=150.0)
        text = page.document(lines, found, turns, {"3 minutes": [query("keyset", "SELECT 1")]}, [index("DROP INDEX CONCURRENTLY y")])
        for part in ("`CREATE INDEX x ON user_sessions (refresh_hash)` | 50 → 1.0 ms (−98 %) | 40 → 1.0 ms (−98 %, 1.01) | confirmed | 50 → 0.50 ms (−99 %, 0.99): kept |",
                     "not measured: pages \\| of a list", "| index and query changes | 0.20 | 0.200 | 2.00 |",
                     "planted faults on indexes found | 1 of 2, 0.50 |", "healthy application, 3 minutes | 1 | 0 |",
                     "0.10 s of 20.0 s, 0.50 % of the server's time and 0.10 % of a core", "- Not found: `redundant_index`.",
                     "- Recommended after applying: `DROP INDEX y`."):
            self.assertIn(part, text)
        for block in text.split("\n\n"):
            if block.startswith("|"):
                self.assertEqual(len({line.replace("\\|", "").count("|") for line in block.splitlines()}), 1, block)


class Arguments(unittest.TestCase):
    def test_faults_that_a_database_shows_are_planted(self):
        self.assertEqual(set(planted()) - {"pool_too_small", "pool_too_large"},
                         {name for name, fault in faults.FAULTS.items() if fault.kind in ("index", "query", "batch") and fault.in_all})

    def test_wrong_calls_are_refused_with_a_line(self):
        with tempfile.TemporaryDirectory(prefix="almanac-app-test-") as folder:
            binary = Path(folder) / "almanac"
            binary.write_text("#!/bin/sh\n")
            for mode, options, expected in ((0o644, [], "is missing; run make build"), (0o755, ["--minutes", "0"], "--minutes 0.0 is not between"),
                                            (0o755, ["--out", folder], "not an empty folder"), (0o755, ["--only-healthy"], "needs --healthy-minutes"),
                                            (0o755, ["--repeat", "0"], "--repeat 0 is not between")):
                os.chmod(binary, mode)
                with self.assertRaises(SystemExit) as ended, contextlib.redirect_stderr(io.StringIO()) as said:
                    arguments(["--almanac", str(binary), *options])
                self.assertEqual(ended.exception.code, 2)
                self.assertIn(expected, said.getvalue())
            self.assertEqual(json.loads(json.dumps(arguments(["--almanac", str(binary)]).faults)).count(","), len(planted()) - 1)


if __name__ == "__main__":
    unittest.main()
