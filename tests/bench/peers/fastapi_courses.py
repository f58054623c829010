"""`GET /api/v1/courses` as most would write it: FastAPI, SQLAlchemy's async ORM, Pydantic."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

import jwt
import redis.asyncio
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from tokens import verify

TENANT = UUID(os.environ["BENCH_TENANT"])
engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=20, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
cache = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"])


class Base(DeclarativeBase):
    pass


class Course(Base):
    __tablename__ = "courses"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    faculty_id: Mapped[UUID]
    semester_id: Mapped[UUID]
    code: Mapped[str]
    title: Mapped[str]
    document_set_version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CourseOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    faculty_id: UUID
    semester_id: UUID
    code: str
    title: str
    document_set_version: int
    created_at: datetime
    updated_at: datetime


class CoursePage(BaseModel):
    items: list[CourseOut]
    next_cursor: str | None = None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()
    await cache.aclose()


app = FastAPI(lifespan=lifespan)


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as open_session:
        yield open_session


async def caller(authorization: Annotated[str, Header()] = "") -> dict:
    try:
        claims = verify(authorization)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401) from error
    await cache.mget(f"bench:rate:{claims['sub']}", f"bench:session:{claims['sub']}")
    return claims


@app.get("/api/v1/courses")
async def list_courses(
    _: Annotated[dict, Depends(caller)], database: Annotated[AsyncSession, Depends(session)], limit: int = 20
) -> CoursePage:
    query = (
        select(Course).where(Course.tenant_id == TENANT, Course.deleted_at.is_(None)).order_by(Course.id).limit(limit)
    )
    rows = (await database.scalars(query)).all()
    return CoursePage(items=[CourseOut.model_validate(row) for row in rows])
