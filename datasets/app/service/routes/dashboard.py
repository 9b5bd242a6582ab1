"""The dashboard of a user: counters, a report of the team, and its members."""

from fastapi import APIRouter, Request

from datasets.app.service import settings
from datasets.app.service.state import PROFILE_SQL

router = APIRouter()
SCALAR_SQL = """SELECT (SELECT count(*) FROM tasks WHERE owner_id = $1 AND status = 'open') AS open,
  (SELECT count(*) FROM tasks WHERE owner_id = $1 AND status = 'in_progress') AS in_progress,
  (SELECT count(*) FROM tasks WHERE owner_id = $1 AND status = 'done') AS done,
  (SELECT count(*) FROM tasks WHERE owner_id = $1 AND status = 'open' AND due_at < now()) AS overdue,
  (SELECT count(*) FROM tasks WHERE owner_id = $1 AND priority = 1) AS urgent,
  (SELECT max(updated_at) FROM tasks WHERE owner_id = $1) AS changed"""
ONE_PASS_SQL = """SELECT count(*) FILTER (WHERE status = 'open') AS open, count(*) FILTER (WHERE status = 'in_progress') AS in_progress,
  count(*) FILTER (WHERE status = 'done') AS done, count(*) FILTER (WHERE status = 'open' AND due_at < now()) AS overdue,
  count(*) FILTER (WHERE priority = 1) AS urgent, max(updated_at) AS changed FROM tasks WHERE owner_id = $1"""
TEAM_SQL = "SELECT status, count(*) AS n, avg(priority)::float8 AS priority FROM tasks WHERE team_id = $1 GROUP BY status"
MEMBERS = 12


@router.get("/api/dashboard")
async def dashboard(request: Request, user: int):
    """Returns counters of the user's tasks, the report of the team and the profiles of its first members."""
    state = request.app.state.parts
    mine = await state.raw.fetch(SCALAR_SQL if settings.on("scalar_dashboard") else ONE_PASS_SQL, user)
    team = await state.raw.fetch(TEAM_SQL, 1 + user % 40)
    members = [1 + user % 50 + 50 * i for i in range(MEMBERS)]
    if settings.on("n_plus_one_warm_cache"):
        profiles = [await state.profile(member) for member in members]
    else:
        profiles = list((await state.caches.get_many("user_profile", [f"u{m}" for m in members],
                                                     lambda missing: _profiles(state, missing))).values())
    return {"mine": dict(mine[0]), "team": [dict(row) for row in team], "members": profiles}


async def _profiles(state, keys):
    rows = await state.raw.fetch(PROFILE_SQL.replace("= $1", "= ANY($1)"), [int(key[1:]) for key in keys])
    return {f"u{row['id']}": dict(row) for row in rows}
