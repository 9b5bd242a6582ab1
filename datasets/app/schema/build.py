"""Creates the database of a run with psql: tables, rows, indexes, statistics, the role that Almanac uses, and a copy."""

import subprocess
import time
from pathlib import Path

from datasets.app import faults
from datasets.app.servers.packages import postgres_bin

HERE = Path(__file__).resolve().parent
GRANTS = HERE.parents[2] / "docs/advisors/database-grants.sql"
# Rows at scale 1: a million together.
ROWS = {"users": 20_000, "tasks": 350_000, "calendar_events": 150_000, "attendees": 300_000, "user_sessions": 60_000,
        "notifications": 120_000}
DATABASE, COPY = "app", "app_copy"
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements,auto_explain", "pg_stat_statements.max": 5000, "track_io_timing": "on",
    "shared_buffers": "128MB", "effective_cache_size": "512MB", "max_connections": 120, "synchronous_commit": "off",
    "autovacuum_naptime": "15s", "checkpoint_timeout": "5min", "max_wal_size": "2GB",
    "log_line_prefix": "%m [%p] %q%u@%d ", "log_timezone": "UTC",
    # One statement in fifty is logged with its parameters, and every one that takes a quarter of a second.
    "log_min_duration_statement": 250, "log_min_duration_sample": 0, "log_statement_sample_rate": 0.02,
    "auto_explain.log_min_duration": 0, "auto_explain.sample_rate": 0.02, "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on", "auto_explain.log_format": "json", "auto_explain.log_settings": "on",
    "log_lock_waits": "on", "log_temp_files": 0,
}


def rows(scale):
    """Returns table -> rows at a scale; at least 100 each, so that every route has something to list."""
    return {table: max(100, int(n * scale)) for table, n in ROWS.items()}


def psql(port, database, *args, check=True, text=None):
    """Runs psql as the superuser and returns its output."""
    command = [postgres_bin("psql") or "psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", database,
               "-v", "ON_ERROR_STOP=1", *args]
    run = subprocess.run(command, stdin=subprocess.DEVNULL if text is None else None, input=text, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, check=False)
    if check and run.returncode:
        raise RuntimeError(f"psql failed: {run.stderr.strip()[-500:]}")
    return run.stdout


def wait_ready(port, seconds=30):
    """Waits until the server answers. Raises RuntimeError after `seconds`."""
    deadline = time.monotonic() + seconds
    while subprocess.run([postgres_bin("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError("PostgreSQL does not answer; see postgres.log")
        time.sleep(0.2)


def build(port, scale, seed, active):
    """Creates and fills the database with the indexes that these faults leave; returns table -> rows."""
    wanted = rows(scale)
    psql(port, "postgres", "-c", f"CREATE DATABASE {DATABASE}")
    psql(port, DATABASE, "-f", str(HERE / "tables.sql"))
    names = {"users": "users", "tasks": "tasks", "events": "calendar_events", "attendees": "attendees", "sessions": "user_sessions",
             "notifications": "notifications"}
    psql(port, DATABASE, "-v", f"seed={seed}", *(part for name, table in names.items() for part in ("-v", f"{name}={wanted[table]}")),
         "-f", str(HERE / "data.sql"))
    psql(port, DATABASE, *(part for sql in faults.indexes(active).values() for part in ("-c", sql)))
    psql(port, DATABASE, "-c", "VACUUM ANALYZE", "-c", "CHECKPOINT")
    psql(port, DATABASE, "-v", "role=almanac", "-f", str(GRANTS))
    return wanted


def make_copy(port):
    """Makes a second database with the same content and HypoPG, for verification."""
    psql(port, "postgres", "-c", f"CREATE DATABASE {COPY} TEMPLATE {DATABASE}")
    psql(port, COPY, "-c", "CREATE EXTENSION hypopg", "-c", "VACUUM ANALYZE")


def reset_statistics(port):
    """Forgets the statistics of the making, so that those of the run remain."""
    psql(port, DATABASE, "-c", "SELECT pg_stat_reset()", "-c", "SELECT pg_stat_statements_reset()")
