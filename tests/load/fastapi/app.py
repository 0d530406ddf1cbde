"""What a team would write that needs webhooks kept, and nothing else: FastAPI and asyncpg.

The same check of the signature and the same rows as the floor under ingest, whose statement it is
handed; one statement per request.
"""

import hashlib
import hmac
import os
import uuid
from contextlib import asynccontextmanager
from datetime import datetime, timezone

import asyncpg
from fastapi import FastAPI, Request, Response

SECRET = os.environ["SECRET"].encode()
KEEP = os.environ["KEEP"]
CONTENT_KEY = os.environ["CONTENT_KEY"]
HEADERS = os.environ["HEADERS"]
ANSWERS = os.environ["ANSWERS"]


@asynccontextmanager
async def lifespan(app: FastAPI):
    settings = {"search_path": "ingest"}
    app.state.pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=10, max_size=10, server_settings=settings
    )
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


@app.post("/webhooks/github", status_code=202)
async def take(request: Request):
    body = await request.body()
    expected = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("x-hub-signature-256", "")):
        return Response(status_code=401)
    fact = uuid.uuid4()
    await app.state.pool.execute(
        KEEP,
        [uuid.uuid4()],
        [str(fact)],
        [fact],
        [datetime.now(timezone.utc)],
        [body],
        CONTENT_KEY,
        HEADERS,
        ANSWERS,
        True,
    )
    return {"code": "accepted"}
