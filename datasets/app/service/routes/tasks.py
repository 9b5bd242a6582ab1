"""Lists of tasks, search, and changes of status."""

import asyncio
from datetime import datetime

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import joinedload, load_only

from datasets.app.service import metrics, settings
from datasets.app.service.models import Task

router = APIRouter()
SHOWN = (Task.id, Task.title, Task.status, Task.due_at, Task.assignee_id, Task.created_at)
STATUSES = ("open", "in_progress", "done", "archived")


@router.get("/api/tasks")
async def listing(request: Request, user: int, page: int = 0, before: datetime | None = None):
    """Lists the newest tasks of an owner with counters and assignees. `page` serves OFFSET, `before` the keyset."""
    state = request.app.state.parts
    counters = await state.caches.get("task_counters", f"u{user}", lambda: _counters(state, user))
    query = select(Task).where(Task.owner_id == user).order_by(Task.created_at.desc(), Task.id.desc())
    star = settings.on("select_star")
    query = query.options(joinedload(Task.assignee)) if star else query.options(load_only(*SHOWN))
    total = None
    if settings.on("offset_pages"):
        query = query.limit(settings.PAGE).offset(page * settings.PAGE)
    else:
        if page and before:
            query = query.where(tuple_(Task.created_at, Task.id) < tuple_(before, 0))
        query = query.limit(settings.PAGE + 1)
    async with state.orm.session() as session:
        tasks = (await session.scalars(query)).all()
        if settings.on("count_every_page"):
            total = await session.scalar(select(func.count()).select_from(Task).where(Task.owner_id == user))
    shown = tasks[:settings.PAGE]
    if star and not settings.on("n_plus_one_gather"):
        people = {task.assignee_id: task.assignee.name for task in shown}
    else:
        people = await _assignees(state, [task.assignee_id for task in shown])
    return {"user": user, "counters": counters, "total": total, "tasks": [
        {"id": t.id, "title": t.title, "status": t.status, "due_at": t.due_at.isoformat() if t.due_at else None,
         "assignee": people.get(t.assignee_id), "created_at": t.created_at.isoformat()} for t in shown]}


async def _counters(state, user):
    rows = await state.raw.fetch("SELECT status, count(*) AS n FROM tasks WHERE owner_id = $1 GROUP BY status", user)
    return {row["status"]: row["n"] for row in rows}


async def _assignees(state, ids):
    """Returns id -> name of the assignees."""
    if settings.on("n_plus_one_gather"):
        found = await asyncio.gather(*(state.raw.fetch("SELECT id, name, email FROM users WHERE id = $1", i) for i in ids))
        rows = [row for part in found for row in part]
    else:
        rows = await state.raw.fetch("SELECT id, name FROM users WHERE id = ANY($1)", list(set(ids))) if ids else []
    return {row["id"]: row["name"] for row in rows}


@router.get("/api/tasks/search")
async def search(request: Request, q: str):
    """Finds tasks whose title contains `q`, at least three characters."""
    if len(q) < 3:
        raise HTTPException(422, "q has fewer than 3 characters")
    pattern = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    rows = await request.app.state.parts.raw.fetch(
        "SELECT id, title, status FROM tasks WHERE title ILIKE $1 ORDER BY priority DESC, updated_at DESC, id LIMIT 20", pattern)
    return {"tasks": [dict(row) for row in rows]}


@router.patch("/api/tasks/{task_id}")
async def change(request: Request, task_id: int, status: str):
    """Changes the status of a task."""
    if status not in STATUSES:
        raise HTTPException(422, f"status is none of {', '.join(STATUSES)}")
    state = request.app.state.parts
    rows = await state.raw.fetch("UPDATE tasks SET status = $2, updated_at = now() WHERE id = $1 RETURNING owner_id", task_id, status)
    if not rows:
        raise HTTPException(404, "no such task")
    if status == "done":
        metrics.TASKS_DONE.inc()
    owner = rows[0]["owner_id"]
    await state.caches.invalidate("task_counters", f"u{owner}")
    await state.enqueue("notify", owner, task_id, 3)
    return {"id": task_id, "status": status}


@router.post("/api/tasks", status_code=201)
async def create(request: Request, user: int, title: str):
    """Creates a task."""
    state = request.app.state.parts
    rows = await state.raw.fetch(
        "INSERT INTO tasks (owner_id, assignee_id, team_id, title, status, priority, due_at, description, payload, created_at, updated_at) "
        "VALUES ($1, $1, $2, $3, 'open', 2, now() + interval '7 days', '', '{}', now(), now()) RETURNING id", user, 1 + user % 40, title)
    await state.caches.invalidate("task_counters", f"u{user}")
    return {"id": rows[0]["id"]}
