"""The faults of the example application: what each does, where, and the hand-made fix. The truth that benchmarks compare with.

Pure: no I/O. `python3 -m datasets.app --list-faults` prints the list as JSON. A fault that is off leaves the good form of its code
path and its indexes.
"""

import re
from dataclasses import asdict, dataclass, field

# Indexes of the healthy application, beside primary keys: name -> statement.
INDEXES = {
    "users_email_lower": "CREATE INDEX users_email_lower ON users (lower(email))",
    "tasks_owner_created": "CREATE INDEX tasks_owner_created ON tasks (owner_id, created_at DESC, id DESC)",
    "tasks_created": "CREATE INDEX tasks_created ON tasks (created_at DESC, id DESC)",
    "tasks_open_due": "CREATE INDEX tasks_open_due ON tasks (due_at) WHERE status = 'open'",
    "tasks_team_status": "CREATE INDEX tasks_team_status ON tasks (team_id) INCLUDE (status, priority)",
    "tasks_title_trgm": "CREATE INDEX tasks_title_trgm ON tasks USING gin (title gin_trgm_ops)",
    "calendar_events_owner_starts": "CREATE INDEX calendar_events_owner_starts ON calendar_events (owner_id, starts_at)",
    "attendees_event": "CREATE INDEX attendees_event ON attendees (event_id)",
    "user_sessions_refresh": "CREATE INDEX user_sessions_refresh ON user_sessions (refresh_hash)",
    "user_sessions_expires": "CREATE INDEX user_sessions_expires ON user_sessions (expires_at)",
    "notifications_user_created":
        "CREATE INDEX notifications_user_created ON notifications (user_id, created_at DESC, id DESC)",
}


@dataclass(frozen=True)
class Fault:
    """A fault and its fix.

    `kind`: `index`, `query`, `pool`, `batch`, `settings`, `ttl` or `compression`. `statement`: a regular expression that finds the statements
    which it makes heavy in `pg_stat_statements` (empty where it shows elsewhere). `healthy`: the same for the statements of the
    good form, where they differ. `absent`: healthy indexes that are missing with it; `extra`: name -> statement of indexes that
    exist only with it. `fix`: SQL, or words where SQL does not suffice. `also_right`: other forms that are as good. `in_all`:
    whether `all` includes it.
    """

    name: str
    kind: str
    does: str
    where: str
    fix: str
    statement: str = ""
    absent: tuple = ()
    extra: dict = field(default_factory=dict)
    also_right: tuple = ()
    healthy: str = ""
    in_all: bool = True


def _missing(name, index, does, where, statement, also_right=(), extra=None):
    extra = extra or {}
    fix = ";\n".join([INDEXES[index], *(f"DROP INDEX {i}" for i in extra)]) + ";"
    return Fault(name, "index", does, where, fix, statement, (index,), extra, tuple(also_right))


def _surplus(name, index, create, does, where):
    return Fault(name, "index", does, where, f"DROP INDEX {index};", "", (), {index: create})


FAULTS = {fault.name: fault for fault in (
    # Loops.
    Fault("n_plus_one_serial", "query", "loads the attendees of each event of a month in a statement of its own, one after the other",
          "GET /api/calendar/events", "eager loading: selectinload(CalendarEvent.attendees), or WHERE event_id = ANY($1)",
          r"FROM attendees\s+WHERE attendees\.event_id = \$1", healthy=r"FROM attendees\s+WHERE attendees\.event_id IN"),
    Fault("n_plus_one_gather", "query", "loads the assignee of each task of a page, all at once by asyncio.gather",
          "GET /api/tasks", "one statement: SELECT id, name FROM users WHERE id = ANY($1)",
          r"SELECT id, name, email FROM users WHERE id = \$1", healthy=r"SELECT id, name FROM users WHERE id = ANY"),
    Fault("n_plus_one_interleaved", "query", "loads task and actor of each notification in turn: two loops whose statements alternate",
          "GET /api/notifications", "two statements with = ANY($1), or one JOIN",
          r"SELECT id, title, status FROM tasks WHERE id = \$1|SELECT id, name FROM users WHERE id = \$1",
          healthy=r"SELECT id, title, status FROM tasks WHERE id = ANY|SELECT id, name FROM users WHERE id = ANY"),
    Fault("n_plus_one_warm_cache", "query", "reads the profile of each member of a team through the cache one by one; a cold cache "
          "makes a statement of each", "GET /api/dashboard", "MGET, then one statement with = ANY($1) for the members that are not cached",
          r"SELECT id, name, locale, version FROM users WHERE id = \$1",
          healthy=r"SELECT id, name, locale, version FROM users WHERE id = ANY"),
    # Statements.
    Fault("offset_pages", "query", "skips rows with OFFSET; deep pages read and throw away all pages before",
          "GET /api/admin/tasks, GET /api/tasks", "keyset: WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT n",
          r"FROM tasks.*OFFSET \$\d", healthy=r"FROM tasks.*ORDER BY (tasks\.)?created_at DESC"),
    Fault("ilike_search", "query", "searches titles with ILIKE '%…%' without an index that serves it", "GET /api/tasks/search",
          "CREATE EXTENSION IF NOT EXISTS pg_trgm;\n" + INDEXES["tasks_title_trgm"] + ";", r"FROM tasks WHERE title ILIKE",
          ("tasks_title_trgm",), {}, ("gist (title gist_trgm_ops)", "full-text search, with other results")),
    Fault("select_star", "query", "loads whole entities, and the assignees with their pictures, where a page shows a few columns",
          "GET /api/tasks, GET /api/calendar/events", "load_only(…), or the list of columns",
          r"SELECT tasks\.id, .*tasks\.payload", healthy=r"SELECT tasks\.id, tasks\.assignee_id"),
    Fault("count_every_page", "query", "counts all rows of the filter for every page", "GET /api/admin/tasks, GET /api/tasks",
          "no count: read one row more than a page, or keep the count for a while",
          r"SELECT count\(\*\) AS \S+\s+FROM tasks|SELECT count\(\*\) FROM tasks WHERE status"),
    Fault("scalar_dashboard", "query", "six scalar subqueries over the same rows", "GET /api/dashboard",
          "one pass: count(*) FILTER (WHERE …) over one scan of the owner's tasks",
          r"SELECT \(SELECT count\(\*\) FROM tasks", healthy=r"SELECT count\(\*\) FILTER"),
    # Indexes.
    _missing("missing_single_index", "user_sessions_refresh", "finds a session by its hash without an index",
             "POST /api/auth/refresh", r"FROM user_sessions WHERE refresh_hash = \$1",
             ("unique index on the same column", "USING hash (refresh_hash)")),
    _missing("missing_composite_index", "calendar_events_owner_starts", "reads a month of an owner without an index",
             "GET /api/calendar/events", r"FROM calendar_events\s+WHERE calendar_events\.owner_id = \$1"),
    _missing("missing_order_index", "notifications_user_created", "reads the newest notifications of a user without an index",
             "GET /api/notifications, POST /api/notifications/read",
             r"FROM notifications WHERE user_id = \$1 ORDER BY|UPDATE notifications",
             ("(user_id, created_at DESC)", "(user_id, created_at)")),
    _missing("missing_partial_index", "tasks_open_due", "finds overdue open tasks, 3 % of the table, without an index",
             "GET /api/admin/overdue, worker job reminders",
             r"FROM tasks WHERE status = \$\d AND due_at <|FROM tasks WHERE status = 'open' AND due_at <",
             ("(due_at, id) WHERE status = 'open'", "(status, due_at)")),
    _missing("missing_covering_index", "tasks_team_status", "reads wide rows of a team for a report of two narrow columns",
             "GET /api/dashboard", r"avg\(priority\).* FROM tasks WHERE team_id = \$1",
             ("(team_id, status) INCLUDE (priority)", "(team_id, status, priority)"),
             {"tasks_team": "CREATE INDEX tasks_team ON tasks (team_id)"}),
    _missing("missing_expression_index", "users_email_lower", "compares lower(email) without an index on the expression",
             "POST /api/auth/login", r"FROM users WHERE lower\(email\)"),
    _surplus("redundant_index", "tasks_owner", "CREATE INDEX tasks_owner ON tasks (owner_id)",
             "an index that is a prefix of tasks_owner_created", "writes to tasks"),
    _surplus("unused_index", "calendar_events_updated", "CREATE INDEX calendar_events_updated ON calendar_events (updated_at, location)",
             "an index that no statement uses; every change of an event pays for it", "writes to calendar_events"),
    # Pools, batches, transactions.
    Fault("pool_too_small", "pool", "the pool of the ORM has one connection and no overflow", "API", "pool_size=6, max_overflow=4"),
    Fault("pool_too_large", "pool", "the worker holds 40 idle connections for three jobs at a time", "worker", "max_size=4"),
    Fault("row_by_row_inserts", "batch", "inserts notifications, attendees and imported events one row a statement",
          "worker jobs notify, broadcast, import; POST /api/calendar/events", "INSERT … SELECT … FROM unnest($1, …), 500 rows a statement",
          r"^INSERT INTO (notifications|attendees|calendar_events).* VALUES",
          healthy=r"^INSERT INTO (notifications|attendees|calendar_events).*unnest"),
    Fault("small_batches", "batch", "writes imported events in the pages in which their provider sends them, 5 to 50 rows a statement",
          "worker job import", "INSERT … SELECT … FROM unnest($1, …), 500 rows a statement", r"^INSERT INTO calendar_events.*unnest", in_all=False),
    Fault("transaction_over_call", "query", "holds a transaction, its connection and a row lock over a call of a provider",
          "POST /api/auth/refresh, POST /api/calendar/events", "call first, then open the transaction",
          r"UPDATE user_sessions SET expires_at|UPDATE users SET version"),
    # Settings of the server.
    Fault("spilling_report", "settings", "computes the report of all people every five seconds, with a sort that work_mem does not hold",
          "worker job report", "ALTER DATABASE app SET work_mem = '32MB';", r"count\(DISTINCT title\) AS titles.* FROM tasks", in_all=False),
    # Caches and bodies.
    Fault("one_ttl", "ttl", "one time-to-live of 600 s for all caches", "API, worker",
          "a time-to-live for each cache: user_profile 3600 s, calendar_monthly 1800 s, task_counters 300 s, oauth_userinfo 7200 s"),
    Fault("compress_everything", "compression", "compresses every body, also of 20 bytes, at level 9", "API",
          "from 1,000 bytes on, level 5"),
    Fault("compress_nothing", "compression", "compresses no body", "API", "from 1,000 bytes on, level 5", in_all=False),
)}


def parse(text):
    """Returns the set of faults of `all`, `none` or a list of names with commas. Raises ValueError for an unknown name."""
    if text == "none":
        return frozenset()
    if text == "all":
        return frozenset(name for name, fault in FAULTS.items() if fault.in_all)
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FAULTS]
    if unknown or not names:
        raise ValueError(f"unknown fault {', '.join(unknown) or repr(text)}: use all, none or names of: {', '.join(FAULTS)}")
    if {"compress_everything", "compress_nothing"} <= set(names):
        raise ValueError("compress_everything and compress_nothing exclude each other")
    return frozenset(names)


def indexes(active):
    """Returns name -> statement of the indexes that exist with these faults."""
    absent = {name for fault in active for name in FAULTS[fault].absent}
    present = {name: sql for name, sql in INDEXES.items() if name not in absent}
    for fault in sorted(active):
        present.update(FAULTS[fault].extra)
    return present


CREATE = re.compile(r"CREATE INDEX (?P<name>\w+) ON (?P<table>\w+) (?:USING (?P<method>\w+) )?\((?P<columns>.+?)\)"
                    r"(?: INCLUDE \((?P<include>[^)]*)\))?(?: WHERE (?P<where>.*))?$")


def shape(statement):
    """Returns name, table, method, columns, included columns and predicate of a `CREATE INDEX` of this file."""
    parts = CREATE.match(statement).groupdict()

    def names(text):
        return [part.strip() for part in text.split(",")] if text else []
    return {"statement": statement, "name": parts["name"], "table": parts["table"], "method": parts["method"] or "btree",
            "columns": names(parts["columns"]), "include": names(parts["include"]), "where": parts["where"]}


def truth(active):
    """Returns the active faults as plain dictionaries, with the indexes that the fix creates and drops, for `truth.json`."""
    return [{**asdict(fault), "creates": [shape(INDEXES[index]) for index in fault.absent],
             "drops": [shape(sql) for sql in fault.extra.values()]}
            for name, fault in FAULTS.items() if name in active]
