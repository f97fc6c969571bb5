"""The same check, from the same PostgreSQL, by FastAPI: GET /api/v1/checks/{id} with the JWT checked,
the organisation's rows only, the same columns in the same reply. Run by uvicorn."""

import datetime
import json
import os
import uuid

import asyncpg
import jwt
from fastapi import FastAPI, Header, HTTPException

SECRET = os.environ["TOCSIN_JWT_SECRET"]
QUERY = """
SELECT c.id, c.legacy_id, c.name, c.plugin_type, c.config, c.secret IS NOT NULL AS has_secret, c.enabled,
       c.schedule, c.timeout_ms, c.retries, c.retry_interval, c.recoveries, c.webhook_url, c.tags,
       c.group_name, c.created_at, c.updated_at, s.state, s.since, s.last_run_at, s.last_status,
       s.last_message, s.last_response_us, s.incident_id,
       ARRAY(SELECT channel_id FROM check_channels WHERE check_id = c.id ORDER BY 1) AS channels
FROM checks c
JOIN check_state s ON s.check_id = c.id
WHERE c.org_id = $1 AND c.id = $2
"""

app = FastAPI()
pool = None


@app.on_event("startup")
async def connect():
    global pool
    pool = await asyncpg.create_pool(
        host=os.environ["PEER_PGHOST"], port=os.environ.get("PEER_PGPORT"), user=os.environ["PEER_PGUSER"],
        database="bench", min_size=8, max_size=8,
        # What asyncpg asks about types costs each connection a second of compiling otherwise.
        server_settings={"jit": "off"})


def caller(authorization):
    try:
        return jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"],
                          options={"verify_aud": False})
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "Not authenticated") from error


def stamp(value):
    return value.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z") if value else None


@app.get("/api/v1/checks/{check_id}")
async def get_check(check_id: uuid.UUID, authorization: str = Header("")):
    who = caller(authorization)
    async with pool.acquire() as db:
        row = await db.fetchrow(QUERY, uuid.UUID(who["org"]), check_id)
    if row is None:
        raise HTTPException(404, "There is no such check")
    took = row["last_response_us"]
    return {
        "id": str(row["id"]), "name": row["name"], "plugin_type": row["plugin_type"],
        "config": json.loads(row["config"]), "has_secret": row["has_secret"], "enabled": row["enabled"],
        "schedule": row["schedule"], "last_run": stamp(row["last_run_at"]),
        "created_at": stamp(row["created_at"]), "updated_at": stamp(row["updated_at"]),
        "timeout": row["timeout_ms"] / 1000, "retries": row["retries"],
        "retry_interval": row["retry_interval"], "recoveries": row["recoveries"],
        "channels": [str(one) for one in row["channels"]], "webhook_url": row["webhook_url"],
        "tags": row["tags"], "group": row["group_name"], "state": row["state"],
        "state_since": stamp(row["since"]), "last_status": row["last_status"],
        "last_message": row["last_message"],
        "last_response_time": took / 1e6 if took is not None else None,
        "incident_id": str(row["incident_id"]) if row["incident_id"] else None,
        "legacy_id": row["legacy_id"],
    }
