"""The list of faults: names, exclusions, and the schema that a set of faults leaves."""

import re
import unittest

from datasets.app import faults

LEFT_OUT = {"compress_nothing", "small_batches", "spilling_report"}


class Faults(unittest.TestCase):
    def test_all_and_none_and_lists(self):
        self.assertEqual(faults.parse("none"), frozenset())
        self.assertEqual(faults.parse("all"), set(faults.FAULTS) - LEFT_OUT)
        self.assertEqual(faults.parse("one_ttl, offset_pages"), {"one_ttl", "offset_pages"})

    def test_bad_names_are_refused_with_the_name(self):
        for text in ("n_plus_two", "all,n_plus_one_serial", "", ",", "one_ttl;offset_pages"):
            with self.assertRaisesRegex(ValueError, re.escape(text) if text.strip(",") and "," not in text else "fault"):
                faults.parse(text)
        with self.assertRaisesRegex(ValueError, "exclude each other"):
            faults.parse("compress_everything,compress_nothing")

    def test_every_index_fault_changes_the_indexes_and_its_fix_restores_them(self):
        for name, fault in faults.FAULTS.items():
            if fault.kind != "index":
                continue
            present = faults.indexes({name})
            self.assertNotEqual(present, faults.INDEXES, name)
            for statement in filter(None, fault.fix.split(";")):
                verb, _, index = re.match(r"\s*(CREATE|DROP) INDEX (\S+?\.)?(\w+)", statement).group(1, 2, 3)
                if verb == "CREATE":
                    present[index] = statement.strip()
                else:
                    del present[index]
            self.assertEqual(present, faults.INDEXES, name)

    def test_all_faults_together_have_no_contradiction(self):
        present = faults.indexes(faults.parse("all"))
        self.assertNotIn("tasks_title_trgm", present)
        self.assertIn("tasks_owner", present)
        self.assertEqual(faults.indexes(frozenset()), faults.INDEXES)

    def test_every_fault_is_explained_and_its_pattern_compiles(self):
        for name, fault in faults.FAULTS.items():
            self.assertTrue(fault.does and fault.where and fault.fix, name)
            re.compile(fault.statement)
            re.compile(fault.healthy)

    def test_shapes_of_indexes(self):
        for name, expected in (
                ("tasks_open_due", ("tasks", "btree", ["due_at"], [], "status = 'open'")),
                ("tasks_team_status", ("tasks", "btree", ["team_id"], ["status", "priority"], None)),
                ("tasks_owner_created", ("tasks", "btree", ["owner_id", "created_at DESC", "id DESC"], [], None)),
                ("users_email_lower", ("users", "btree", ["lower(email)"], [], None)),
                ("tasks_title_trgm", ("tasks", "gin", ["title gin_trgm_ops"], [], None))):
            shape = faults.shape(faults.INDEXES[name])
            self.assertEqual(tuple(shape[key] for key in ("table", "method", "columns", "include", "where")), expected)
        for fault in faults.truth(faults.FAULTS):
            self.assertEqual(bool(fault["creates"] or fault["drops"]), fault["kind"] == "index" or fault["name"] == "ilike_search", fault["name"])

    def test_truth_has_the_order_of_the_list(self):
        names = [fault["name"] for fault in faults.truth(faults.parse("all"))]
        self.assertEqual(names, [name for name in faults.FAULTS if name not in LEFT_OUT])


if __name__ == "__main__":
    unittest.main()
