"""Months of a calendar, and changes of events."""

from datetime import datetime, timedelta, timezone

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.orm import load_only, selectinload

from datasets.app.service import metrics, provider, settings
from datasets.app.service.models import Attendee, CalendarEvent

router = APIRouter()
SHOWN = (CalendarEvent.id, CalendarEvent.title, CalendarEvent.location, CalendarEvent.starts_at, CalendarEvent.ends_at)
ATTENDEES = {"event_id": "bigint", "user_id": "bigint", "response": "text"}


def month_bounds(month):
    """Returns first moment of a month `YYYY-MM` and of the next one, in UTC."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=timezone.utc)
    return start, (start + timedelta(days=32)).replace(day=1)


@router.get("/api/calendar/events")
async def month(request: Request, user: int, month: str):
    """Lists a month of events with their attendees."""
    state = request.app.state.parts
    await state.profile(user)

    async def load():
        return await _load_month(state, user, *month_bounds(month))
    events = await state.caches.get("calendar_monthly", f"u{user}:{month}", load)
    if (user + len(events)) % 4 == 0:
        await state.enqueue("sync", user, month)
    return {"user": user, "month": month, "events": events}


async def _load_month(state, user, start, end):
    query = (select(CalendarEvent).where(CalendarEvent.owner_id == user, CalendarEvent.starts_at >= start, CalendarEvent.starts_at < end)
             .order_by(CalendarEvent.starts_at, CalendarEvent.id).limit(200))
    if not settings.on("select_star"):
        query = query.options(load_only(*SHOWN))
    serial = settings.on("n_plus_one_serial")
    if not serial:
        query = query.options(selectinload(CalendarEvent.attendees))
    async with state.orm.session() as session:
        events = (await session.scalars(query)).all()
        people = {}
        for event in events:
            if serial:
                people[event.id] = (await session.scalars(select(Attendee).where(Attendee.event_id == event.id))).all()
            else:
                people[event.id] = event.attendees
    return [{"id": e.id, "title": e.title, "location": e.location, "starts_at": e.starts_at.isoformat(), "ends_at": e.ends_at.isoformat(),
             "attendees": [{"user": a.user_id, "response": a.response} for a in people[e.id]]} for e in events]


@router.post("/api/calendar/events", status_code=201)
async def create(request: Request, user: int, day: str, guests: int = 4):
    """Creates an event with attendees, and tells the calendar provider."""
    state = request.app.state.parts
    start = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
    held = settings.on("transaction_over_call")
    if not held:
        await provider.call(0.12)
    async with state.raw.connection() as connection, connection.transaction():
        event = await connection.fetchval(
            "INSERT INTO calendar_events (owner_id, title, location, description, starts_at, ends_at, updated_at) "
            "VALUES ($1, $2, $3, '', $4, $5, now()) RETURNING id",
            user, f"Meeting {day}", "Room 1", start, start + timedelta(minutes=30))
        await state.batches.insert(connection, "attendees", ATTENDEES,
                                   [(event, 1 + (user * 31 + i * 97) % 600, "tentative") for i in range(guests)])
        await connection.execute("UPDATE users SET version = version + 1 WHERE id = $1", user)
        if held:
            await provider.call(0.12)
    metrics.EVENTS_CREATED.inc()
    await state.caches.invalidate("calendar_monthly", f"u{user}:{day[:7]}")
    await state.enqueue("notify", user, event, guests)
    return {"id": event}


@router.patch("/api/calendar/events/{event_id}")
async def move(request: Request, event_id: int, minutes: int = 15):
    """Moves an event."""
    state = request.app.state.parts
    rows = await state.raw.fetch(
        "UPDATE calendar_events SET starts_at = starts_at + make_interval(mins => $2), ends_at = ends_at + make_interval(mins => $2), "
        "updated_at = now() WHERE id = $1 RETURNING owner_id, starts_at", event_id, minutes)
    for row in rows:
        await state.caches.invalidate("calendar_monthly", f"u{row['owner_id']}:{row['starts_at']:%Y-%m}")
    return {"moved": len(rows)}
