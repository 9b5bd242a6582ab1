"""Listings for administrators: all tasks by status, and what is overdue."""

from datetime import datetime

from fastapi import APIRouter, Request

from datasets.app.service import settings

router = APIRouter()
LIST_SQL = "SELECT id, owner_id, title, status, created_at FROM tasks WHERE status = $1"
ORDER_SQL = " ORDER BY created_at DESC, id DESC LIMIT $2"
# The status is a literal: a partial index serves a generic plan only then.
OVERDUE_SQL = "SELECT id, owner_id, title, due_at FROM tasks WHERE status = 'open' AND due_at < now() - interval '3 days' ORDER BY due_at LIMIT 50"


@router.get("/api/admin/tasks")
async def listing(request: Request, status: str, page: int = 0, before: datetime | None = None):
    """Lists tasks of a status, newest first. `page` serves OFFSET, `before` the keyset."""
    raw, total = request.app.state.parts.raw, None
    if settings.on("offset_pages"):
        rows = await raw.fetch(LIST_SQL + ORDER_SQL + " OFFSET $3", status, settings.ADMIN_PAGE, page * settings.ADMIN_PAGE)
    elif page and before:
        rows = await raw.fetch(LIST_SQL + " AND (created_at, id) < ($3, $4)" + ORDER_SQL, status, settings.ADMIN_PAGE, before, 0)
    else:
        rows = await raw.fetch(LIST_SQL + ORDER_SQL, status, settings.ADMIN_PAGE)
    if settings.on("count_every_page"):
        total = (await raw.fetch("SELECT count(*) FROM tasks WHERE status = $1", status))[0]["count"]
    return {"total": total, "tasks": [dict(row) for row in rows]}


@router.get("/api/admin/overdue")
async def overdue(request: Request):
    """Lists the open tasks that are overdue for the longest time."""
    return {"tasks": [dict(row) for row in await request.app.state.parts.raw.fetch(OVERDUE_SQL)]}
