"""Notifications of a user."""

from fastapi import APIRouter, Request

from datasets.app.service import settings

router = APIRouter()


@router.get("/api/notifications")
async def listing(request: Request, user: int):
    """Lists the newest notifications with the task and the person that each is about."""
    state = request.app.state.parts
    rows = await state.raw.fetch(
        "SELECT id, actor_id, task_id, kind, created_at, read_at FROM notifications WHERE user_id = $1 "
        "ORDER BY created_at DESC, id DESC LIMIT 15", user)
    tasks, actors = {}, {}
    if settings.on("n_plus_one_interleaved"):
        for row in rows:
            for task in await state.raw.fetch("SELECT id, title, status FROM tasks WHERE id = $1", row["task_id"]):
                tasks[task["id"]] = task["title"]
            for actor in await state.raw.fetch("SELECT id, name FROM users WHERE id = $1", row["actor_id"]):
                actors[actor["id"]] = actor["name"]
    elif rows:
        found = await state.raw.fetch("SELECT id, title, status FROM tasks WHERE id = ANY($1)", list({r["task_id"] for r in rows}))
        tasks = {task["id"]: task["title"] for task in found}
        found = await state.raw.fetch("SELECT id, name FROM users WHERE id = ANY($1)", list({r["actor_id"] for r in rows}))
        actors = {actor["id"]: actor["name"] for actor in found}
    return {"notifications": [{"id": r["id"], "kind": r["kind"], "task": tasks.get(r["task_id"]), "actor": actors.get(r["actor_id"]),
                               "read": r["read_at"] is not None} for r in rows]}


@router.post("/api/notifications/read")
async def read(request: Request, user: int):
    """Marks all notifications of a user as read."""
    await request.app.state.parts.raw.fetch("UPDATE notifications SET read_at = now() WHERE user_id = $1 AND read_at IS NULL", user)
    return {"read": True}
