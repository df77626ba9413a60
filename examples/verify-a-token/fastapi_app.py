"""A FastAPI service that takes Doorward's access tokens: `Depends(current_user)`, and `require_role` for administrators.

    pip install fastapi uvicorn PyJWT
    SECRET_KEY=… uvicorn fastapi_app:app
"""

import os
from dataclasses import dataclass
from typing import Annotated, Literal

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from verify import verify

SECRET_KEY = os.environ["SECRET_KEY"]


@dataclass(frozen=True)
class User:
    """Who asks, as the token says: nothing was looked up."""

    id: int
    role: Literal["user", "admin"]


def refused(detail: str) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def current_user(bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]) -> User:
    """Whoever holds a good access token; 401 otherwise."""
    if bearer is None:
        raise refused("Not authenticated")
    try:
        claims = verify(bearer.credentials.encode(), SECRET_KEY)
        return User(int(claims["sub"]), claims["role"])
    except (jwt.PyJWTError, ValueError):
        raise refused("Could not validate credentials") from None


CurrentUser = Annotated[User, Depends(current_user)]


def require_role(role: str):
    """Of these only who has that role by the token; 403 otherwise."""

    def check(user: CurrentUser) -> User:
        if user.role != role:
            raise HTTPException(403, "Not permitted")
        return user

    return Depends(check)


app = FastAPI()


@app.get("/hello")
def hello(user: CurrentUser) -> dict:
    return {"user": user.id}


@app.get("/report")
def report(admin: Annotated[User, require_role("admin")]) -> dict:
    return {"admin": admin.id}
