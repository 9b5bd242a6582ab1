"""The jobs of the worker. Some of their writes do not invalidate a cache, so that copies become stale."""

from datetime import datetime, timedelta, timezone

from datasets.app.service import provider, settings
from datasets.app.service.routes.admin import OVERDUE_SQL

NOTIFICATIONS = {"user_id": "bigint", "actor_id": "bigint", "task_id": "bigint", "kind": "text", "body": "text", "created_at": "timestamptz"}
EVENTS = {"owner_id": "bigint", "title": "text", "location": "text", "description": "text", "starts_at": "timestamptz",
          "ends_at": "timestamptz", "updated_at": "timestamptz"}
BROADCAST_ROWS = 150
IMPORT_ROWS = 200
# Events that a calendar provider sends in a page; which provider it is depends on the user.
IMPORT_PAGES = (5, 10, 25, 50)
REPORT_SQL = """SELECT assignee_id, count(*) AS tasks, count(DISTINCT title) AS titles, max(updated_at) AS changed FROM tasks
  WHERE created_at > now() - interval '180 days' GROUP BY assignee_id ORDER BY tasks DESC, assignee_id LIMIT 50"""
REPORT_MEMORY = "SET LOCAL work_mem = '32MB'"


async def _notify_all(state, people, actor, task, kind):
    now = datetime.now(timezone.utc)
    async with state.raw.connection() as connection, connection.transaction():
        await state.batches.insert(connection, "notifications", NOTIFICATIONS,
                                   [(person, actor, task, kind, "Something changed in a task that you follow.", now) for person in people])


async def notify(state, user, about, number):
    """Notifies `number` people of a change."""
    await _notify_all(state, [1 + (user * 17 + i * 131) % 600 for i in range(number)], user, about, "status")


async def broadcast(state, user):
    """Notifies a team of an announcement."""
    await _notify_all(state, [1 + (user + i * 7) % 20000 for i in range(BROADCAST_ROWS)], user, 1, "mention")


async def sync(state, user, month):
    """Asks the calendar provider and stores its changes; the cached month becomes stale."""
    from datasets.app.service.routes.calendar import month_bounds
    await provider.call(0.36)
    start, end = month_bounds(month)
    rows = await state.raw.fetch(
        "UPDATE calendar_events SET updated_at = now(), location = 'Room ' || (id % 60) WHERE id IN (SELECT id FROM calendar_events "
        "WHERE owner_id = $1 AND starts_at >= $2 AND starts_at < $3 ORDER BY starts_at LIMIT 3) RETURNING id", user, start, end)
    if rows:
        state.caches.changed_elsewhere("calendar_monthly", f"u{user}:{month}")


async def profile(state, user):
    """Changes a profile; every second time the cached copy is forgotten."""
    await state.raw.fetch("UPDATE users SET version = version + 1, locale = locale WHERE id = $1", user)
    if user % 2:
        await state.caches.invalidate("user_profile", f"u{user}")
    else:
        state.caches.changed_elsewhere("user_profile", f"u{user}")


async def imported(state, user):
    """Imports the events of a calendar from its provider."""
    now = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    rows = [(user, f"Imported {i}", "Room 9", "", now + timedelta(hours=i), now + timedelta(hours=i + 1), now) for i in range(IMPORT_ROWS)]
    async with state.raw.connection() as connection, connection.transaction():
        page = IMPORT_PAGES[user // 4 % len(IMPORT_PAGES)] if settings.on("small_batches") else None
        await state.batches.insert(connection, "calendar_events", EVENTS, rows, page)


async def reminders(state):
    """Notifies the owners of the tasks that are overdue for the longest time."""
    rows = await state.raw.fetch(OVERDUE_SQL)
    for row in rows[:1]:
        await _notify_all(state, [r["owner_id"] for r in rows[:10]], row["owner_id"], row["id"], "due")


async def cleanup(state):
    """Deletes sessions that expired."""
    await state.raw.fetch("DELETE FROM user_sessions WHERE id IN (SELECT id FROM user_sessions WHERE expires_at < now() "
                          "ORDER BY expires_at LIMIT 50)")


async def report(state):
    """Computes for the managers what everybody worked on in the last half year."""
    async with state.raw.connection() as connection, connection.transaction():
        if not settings.on("spilling_report"):
            await connection.execute(REPORT_MEMORY)
        await connection.fetch(REPORT_SQL)


async def run(state, text):
    """Does the job of a line `class:part:…`."""
    kind, *parts = text.split(":")
    if kind == "notify":
        await notify(state, *map(int, parts))
    elif kind == "sync":
        await sync(state, int(parts[0]), parts[1])
    elif kind == "profile":
        await profile(state, int(parts[0]))
    elif kind == "broadcast":
        await broadcast(state, int(parts[0]))
    elif kind == "import":
        await imported(state, int(parts[0]))
    elif kind == "reminders":
        await reminders(state)
    elif kind == "cleanup":
        await cleanup(state)
    elif kind == "report":
        await report(state)
    else:
        raise ValueError(f"unknown job {kind!r}")
