"""A plain FastAPI service as its documentation teaches it: pwdlib, PyJWT, SQLAlchemy's asyncio on PostgreSQL.

Hashing runs on the thread pool, off the event loop, and a session of the database lives no longer than its request.
The routes are those of Doorward's contract that the benchmark asks. DATABASE_URL names the database.
"""

import hashlib
import os
import secrets
import uuid
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import BaseModel, Field
from sqlalchemy import ForeignKey, delete, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET = "a secret for the benchmark and for nothing else"
hasher = PasswordHash((Argon2Hasher(memory_cost=65536, time_cost=3, parallelism=4),))
engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=16, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str] = mapped_column(default="user")
    is_active: Mapped[bool] = mapped_column(default=True)


class RefreshToken(Base):
    __tablename__ = "refresh_tokens"
    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    family: Mapped[uuid.UUID] = mapped_column(index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    is_spent: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[float]


class Credentials(BaseModel):
    email: str = Field(max_length=254)
    password: str = Field(min_length=8, max_length=1024)


class RefreshRequest(BaseModel):
    refresh_token: str


class TokenResponse(BaseModel):
    access_token: str
    refresh_token: str
    token_type: str = "bearer"
    expires_in: int = 900


class UserResponse(BaseModel):
    id: int
    email: str
    role: str


@asynccontextmanager
async def lifespan(_: FastAPI):
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
bearer = HTTPBearer()


async def database():
    async with sessions() as session:
        yield session


Database = Annotated[AsyncSession, Depends(database)]
unauthorized = HTTPException(401, "Not authenticated")


def new_token(session, user, family):
    """A refresh token; only its hash is stored."""
    token = secrets.token_urlsafe(64)
    session.add(RefreshToken(
        token_hash=hashlib.sha256(token.encode()).digest(), family=family, user_id=user.id,
        expires_at=(datetime.now(timezone.utc) + timedelta(days=7)).timestamp(),
    ))
    return token


def pair(user, refresh_token):
    now = datetime.now(timezone.utc)
    claims = {"sub": str(user.id), "role": user.role, "jti": str(uuid.uuid4()), "iat": now, "exp": now + timedelta(minutes=15)}
    return TokenResponse(access_token=jwt.encode(claims, SECRET, "HS256"), refresh_token=refresh_token)


@app.post("/auth/register", status_code=201)
async def register(body: Credentials, session: Database) -> TokenResponse:
    password_hash = await run_in_threadpool(hasher.hash, body.password)
    user = User(email=body.email.lower(), password_hash=password_hash)
    session.add(user)
    await session.flush()
    token = new_token(session, user, uuid.uuid4())
    await session.commit()
    return pair(user, token)


@app.post("/auth/login")
async def login(body: Credentials, session: Database) -> TokenResponse:
    user = await session.scalar(select(User).where(User.email == body.email.lower()))
    # The connection goes back while the password is hashed: with it held, every other request would wait too.
    await session.commit()
    if user is None or not await run_in_threadpool(hasher.verify, body.password, user.password_hash):
        raise unauthorized
    token = new_token(session, user, uuid.uuid4())
    await session.commit()
    return pair(user, token)


@app.post("/auth/refresh")
async def refresh(body: RefreshRequest, session: Database) -> TokenResponse:
    digest = hashlib.sha256(body.refresh_token.encode()).digest()
    found = (await session.execute(
        select(RefreshToken, User).join(User, User.id == RefreshToken.user_id)
        .where(RefreshToken.token_hash == digest).with_for_update(of=RefreshToken)
    )).one_or_none()
    if found is None or not found[1].is_active:
        raise unauthorized
    old, user = found
    if old.is_spent:
        await session.execute(delete(RefreshToken).where(RefreshToken.family == old.family))
        await session.commit()
        raise unauthorized
    if old.expires_at < datetime.now(timezone.utc).timestamp():
        raise unauthorized
    old.is_spent = True
    token = new_token(session, user, old.family)
    await session.commit()
    return pair(user, token)


@app.get("/auth/me")
async def me(token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)], session: Database) -> UserResponse:
    try:
        claims = jwt.decode(token.credentials, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise unauthorized from None
    user = await session.get(User, int(claims["sub"]))
    if user is None or not user.is_active:
        raise unauthorized
    return UserResponse(id=user.id, email=user.email, role=user.role)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


async def create_tables():
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


if __name__ == "__main__":
    import asyncio

    asyncio.run(create_tables())
