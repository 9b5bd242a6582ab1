"""Exports of a database with psql and pg_dump: what an analyst would write by hand."""

import json
import subprocess
from pathlib import Path

from datasets.app.export.plans import plans
from datasets.app.schema.build import DATABASE, psql
from datasets.app.servers.packages import postgres_bin

CATALOGUE = Path(__file__).resolve().parents[3] / "docs/advisors/database-export.sql"
JSON_FILES = {
    "pg_stats.json": "SELECT * FROM pg_stats WHERE schemaname = 'public'",
    "pg_stat_user_tables.json": "SELECT *, pg_table_size(relid) AS table_bytes, pg_indexes_size(relid) AS indexes_bytes, "
                                "(SELECT reltuples FROM pg_class c WHERE c.oid = relid) AS reltuples FROM pg_stat_user_tables",
    "pg_stat_user_indexes.json": "SELECT s.*, pg_relation_size(indexrelid) AS index_bytes, pg_get_indexdef(indexrelid) AS definition "
                                 "FROM pg_stat_user_indexes s",
    "settings.json": "SELECT name, setting, unit, source FROM pg_settings WHERE source <> 'default'",
}


def export(port, log, out):
    """Writes `statements.csv`, `schema.json`, `schema.sql`, `plans.json` and the statistics to `out`."""
    where = f"WHERE dbid = (SELECT oid FROM pg_database WHERE datname = '{DATABASE}') ORDER BY total_exec_time DESC"
    path = f"{out}/statements.csv".replace("'", "''")
    psql(port, DATABASE, "-c", f"\\copy (SELECT * FROM pg_stat_statements {where}) TO '{path}' CSV HEADER")
    schema = subprocess.run([postgres_bin("pg_dump"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "--schema-only", DATABASE],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    (out / "schema.sql").write_text(schema)
    (out / "schema.json").write_text(psql(port, DATABASE, "-At", "-f", str(CATALOGUE)))
    for name, sql in JSON_FILES.items():
        (out / name).write_text(psql(port, DATABASE, "-At", "-c", f"SELECT coalesce(json_agg(t), '[]') FROM ({sql}) t"))
    with open(log, errors="replace") as lines:
        (out / "plans.json").write_text(json.dumps(plans(lines)) + "\n")
    (out / "postgres.log").write_bytes(log.read_bytes())


def statements(port, limit=None):
    """Returns the statements of the application as dictionaries, the heaviest first; those of the role `almanac` and resets are left out."""
    sql = ("SELECT query, calls, total_exec_time, mean_exec_time, rows, shared_blks_hit, shared_blks_read FROM pg_stat_statements "
           f"WHERE dbid = (SELECT oid FROM pg_database WHERE datname = '{DATABASE}') AND userid <> (SELECT oid FROM pg_roles WHERE rolname = 'almanac') "
           "AND query NOT LIKE 'SELECT pg_stat%reset()' "
           f"ORDER BY total_exec_time DESC LIMIT {limit or 'ALL'}")
    return json.loads(psql(port, DATABASE, "-At", "-c", f"SELECT coalesce(json_agg(t), '[]') FROM ({sql}) t"))


def index_use(port):
    """Returns name -> {"bytes", "scans"} of the indexes of the database."""
    sql = "SELECT json_object_agg(indexrelname, json_build_object('bytes', pg_relation_size(indexrelid), 'scans', idx_scan)) FROM pg_stat_user_indexes"
    return json.loads(psql(port, DATABASE, "-At", "-c", sql))
