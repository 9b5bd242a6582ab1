"""Sessions: login and the refresh of a token."""

import hashlib
import secrets

from fastapi import APIRouter, HTTPException, Request

from datasets.app.service import provider, settings

router = APIRouter()


@router.post("/api/auth/refresh")
async def refresh(request: Request, token: str):
    """Extends the session of a refresh token; asks the identity provider when its answer is not cached."""
    state = request.app.state.parts
    digest = hashlib.sha256(token.encode()).hexdigest()
    rows = await state.raw.fetch("SELECT id, user_id FROM user_sessions WHERE refresh_hash = $1", digest)
    if not rows:
        raise HTTPException(401, "unknown token")
    session, user = rows[0]["id"], rows[0]["user_id"]

    async def ask():
        return await provider.call(0.09)
    held = settings.on("transaction_over_call")
    if not held:
        await state.caches.get("oauth_userinfo", f"u{user}", ask)
    async with state.raw.connection() as connection, connection.transaction():
        await connection.execute("UPDATE user_sessions SET expires_at = now() + interval '45 days' WHERE id = $1", session)
        if held:
            await connection.execute("UPDATE users SET version = version + 1 WHERE id = $1", user)
            await state.caches.get("oauth_userinfo", f"u{user}", ask)
    if session % 20 == 0:
        await state.caches.invalidate("oauth_userinfo", f"u{user}")
    if session % 15 == 0:
        await state.enqueue("profile", user)
    return {"user": user}


@router.post("/api/auth/login")
async def login(request: Request, email: str):
    """Opens a session. The address is compared without regard to case."""
    state = request.app.state.parts
    rows = await state.raw.fetch("SELECT id FROM users WHERE lower(email) = lower($1)", email)
    if not rows:
        raise HTTPException(401, "unknown address")
    token = secrets.token_hex(16)
    await state.raw.fetch(
        "INSERT INTO user_sessions (user_id, refresh_hash, user_agent, created_at, expires_at) "
        "VALUES ($1, $2, 'Client/1', now(), now() + interval '45 days')", rows[0]["id"], hashlib.sha256(token.encode()).hexdigest())
    return {"token": token}
