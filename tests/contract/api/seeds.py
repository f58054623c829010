"""A tenant with one of everything, and spares of what tests destroy; a stranger in another tenant."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

from backend.academics import enrolments
from backend.documents.jobs import DAY, PRUNE, PruneArgs
from backend.identity import rights
from backend.identity.links import make_sign_in_link
from backend.identity.passwords import hash_password
from backend.identity.schemas import NewGrant, NewRole
from backend.identity.subjects import subject_for_user
from backend.inference.quotas import set_quota
from backend.inference.schemas import NewQuota
from backend.jobs import schedules
from backend.jobs.schemas import NewSchedule
from backend.kit.subject import Subject
from backend.notifications import deliveries, endpoints, sources
from backend.notifications.schemas import NewSource, NewWebhook
from backend.notifications.sealing import Secrets
from backend.notifications.sending import Sender
from db import query
from db.enqueue import Place
from db.repositories import events, outbox, workers
from db.unit_of_work import unit_of_work
from ops.runtime.ids import DocumentId, new_id
from ops.runtime.settings import Settings
from tests import campus
from tests.installation import Home, Installation, furnish, installed

PASSWORD = "Seven-seeds-in-a-row"
NEW_PASSWORD = "Eight-seeds-in-a-row"
ROLES = ("student", "academic", "admin", "ops")
SPARES = 8
SESSIONS = 4
PDF = Path(__file__).parents[2] / "data" / "documents" / "crazyones.pdf"


@dataclass
class Login:
    """A session of its own."""

    session_id: str
    access_token: str
    refresh_token: str


@dataclass
class Seeds:
    """`ids` by path parameter, of what stays; `spares` of what may be changed or deleted; `logins` by role."""

    ids: dict[str, str] = field(default_factory=dict)
    spares: dict[str, Iterator[str]] = field(default_factory=dict)
    logins: dict[str, list[Login]] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    user_ids: dict[str, str] = field(default_factory=dict)
    link_token: str = ""
    source_secret: str = ""


async def sow(settings: Settings, folder: Path) -> Seeds:
    """Make everything through the services and the worker's jobs; leaves nothing open."""
    async with installed(settings, folder) as site:
        seeds = Seeds()
        people = await _people(site, seeds)
        await _academics(site.home, people, seeds)
        await _documents(site, people["academic"], seeds)
        await _operations(people["ops"], seeds)
        quota = NewQuota(level="course", subject_id=site.home.course.id, tokens=10**9)
        seeds.ids |= {"upstream": "spare", "quota_id": str((await set_quota(site.home.administrator, quota)).id)}
        await _webhooks(settings, people["ops"], seeds)
        people["stranger"] = await _stranger(seeds)
        for name, subject in people.items():
            seeds.logins[name] = [await _login(subject) for _ in range(SESSIONS)]
            seeds.emails[name], seeds.user_ids[name] = subject.email, str(subject.user_id)
        return seeds


async def _people(site: Installation, seeds: Seeds) -> dict[str, Subject]:
    home = site.home
    target = await campus.person(home.tenant, "target", "student")
    people = {"admin": home.administrator}
    link = NewGrant(role="academic", course_id=home.course.id)
    password_hash = await hash_password(PASSWORD)
    for name in (*ROLES, *(f"passing-{role}" for role in ROLES)):
        if name not in people:
            role = name.removeprefix("passing-")
            given = () if role == "academic" else (role,)
            people[name] = await campus.person(home.tenant, name, *given, password_hash=password_hash)
            if role == "academic":
                await rights.give(home.administrator, people[name].user_id, link)
    grant = await rights.give(home.administrator, target.user_id, link)
    reader = await rights.create_role(home.administrator, NewRole(name="reader", permissions=["course.read"]))
    seeds.ids |= {"user_id": str(target.user_id), "grant_id": str(grant.id), "role_id": str(reader.id)}
    seeds.link_token = (await make_sign_in_link(home.administrator, target.user_id)).token
    roles = [await rights.create_role(home.administrator, NewRole(name=f"r{n}", permissions=[])) for n in range(SPARES)]
    others = [await campus.person(home.tenant, f"spare{number}", "student") for number in range(SPARES)]
    seeds.spares["role_id"] = _spares(role.id for role in roles)
    seeds.spares["user_id"] = _spares(person.user_id for person in others)
    return people


async def _academics(home: Home, people: dict[str, Subject], seeds: Seeds) -> None:
    admin, course = home.administrator, home.course
    enrolment = await enrolments.enrol(admin, course.id, people["student"].user_id)
    seeds.ids |= {
        "faculty_id": str(home.place.faculty_id),
        "semester_id": str(home.place.semester_id),
        "course_id": str(course.id),
        "enrolment_id": str(enrolment.id),
    }
    places = [await campus.place(admin, f"F{number}") for number in range(SPARES)]
    courses = [await campus.course(admin, home.place, f"S{number}") for number in range(SPARES)]
    learners = [await campus.person(home.tenant, f"learner{number}", "student") for number in range(SPARES)]
    learning = [await enrolments.enrol(admin, course.id, learner.user_id) for learner in learners]
    seeds.spares["faculty_id"] = _spares(place.faculty_id for place in places[: SPARES // 2])
    seeds.spares["semester_id"] = _spares(place.semester_id for place in places[SPARES // 2 :])
    seeds.spares["course_id"] = _spares(one.id for one in courses)
    seeds.spares["enrolment_id"] = _spares(one.id for one in learning)


async def _documents(site: Installation, academic: Subject, seeds: Seeds) -> None:
    """Ready ones, and some whose job still waits: no worker runs afterwards."""
    academic = await subject_for_user(academic.user_id)
    accepted = await site.upload(PDF.read_bytes(), PDF.name, subject=academic)
    ready = [await site.upload(_markdown(number), f"{number}.md", subject=academic) for number in range(SPARES)]
    await site.work()
    waiting = [
        await site.upload(_markdown(number), f"{number}.md", subject=academic) for number in range(50, 50 + SPARES)
    ]
    seeds.ids |= {"document_id": str(accepted.id), "job_id": str(accepted.job_id), "page": "1"}
    seeds.spares["document_id"] = _spares(one.id for one in ready)
    seeds.spares["job_id"] = _spares(one.job_id for one in waiting)


async def _operations(operator: Subject, seeds: Seeds) -> None:
    """Schedules, a queue in which nothing waits, jobs that wait for their time, and a worker that does nothing."""
    made = [await schedules.create_schedule(operator, schedule(f"S{number}")) for number in range(SPARES + 1)]
    seeds.ids |= {"schedule_id": str(made[0].id), "queue": "notify"}
    seeds.spares["schedule_id"] = _spares(one.id for one in made[1:])
    about = PruneArgs(document_id=DocumentId(UUID(seeds.ids["document_id"])))
    async with unit_of_work() as uow:
        later = [
            await uow.enqueue(PRUNE, about, subject=operator, place=Place(delay_seconds=DAY)) for _ in range(SPARES)
        ]
    seeds.spares["delayed_job_id"] = _spares(later)
    seeds.ids["worker_id"] = str(new_id())
    await workers.add_worker(UUID(seeds.ids["worker_id"]), "here", 1, ["notify"])


async def _webhooks(settings: Settings, operator: Subject, seeds: Seeds) -> None:
    """Endpoints and sources, deliveries that have failed, events that were given up; nothing of it is ever sent."""
    secrets = Secrets(settings.master_key)
    hooks = [await endpoints.create_webhook(operator, Sender(), secrets, webhook()) for _ in range(SPARES + 1)]
    made = [
        await sources.create_source(operator, settings.base_url, secrets, NewSource(name=f"s{number}"))
        for number in range(SPARES + 1)
    ]
    failed = [await deliveries.ping(operator, hooks[0].id) for _ in range(SPARES + 1)]
    await query.execute("UPDATE webhook_deliveries SET state = 'failed', ended_at = now()")
    await outbox.number()
    await events.add_consumer("webhooks")
    for event in (await events.to_handle("webhooks", 500))[: SPARES + 1]:
        await events.note_failure(event, "webhooks", "RuntimeError", [])
    given_up = await events.dead(operator.tenant_id, None, None, SPARES + 1)
    seeds.source_secret = made[0].secret
    for name, items in {"webhook_id": hooks, "source_id": made, "delivery_id": failed, "dead_id": given_up}.items():
        seeds.ids[name], *spares = [str(one.id) for one in items]  # type: ignore[attr-defined]
        seeds.spares[name] = _spares(spares)


def webhook() -> NewWebhook:
    """A receiver whose address needs no name server."""
    return NewWebhook(url="https://93.184.216.34/hooks", events=["*"])


def schedule(name: str) -> NewSchedule:
    """What the operators of a tenant may want to be done each night."""
    return NewSchedule(name=name, kind="jobs.purge", args={"older_than_days": 90}, cron="0 3 * * *")


async def _stranger(seeds: Seeds) -> Subject:
    """Whoever may do everything, in another tenant."""
    away = await furnish("south")
    stranger = await campus.person(away.tenant, "stranger", "admin", "ops", "student")
    own = {"user_id": stranger.user_id, "course_id": away.course.id, "faculty_id": away.place.faculty_id}
    seeds.ids |= {f"strangers_{name}": str(value) for name, value in own.items()}
    return stranger


async def _login(subject: Subject) -> Login:
    opened = await campus.sign_in(subject.user_id)
    tokens = opened.tokens()
    return Login(str(opened.session_id), tokens.access_token, str(tokens.refresh_token))


def _markdown(number: int) -> bytes:
    return f"# Sheet {number}\n\nThe answer to question {number} stands on sheet {number}.\n".encode()


def _spares(ids: Any) -> Iterator[str]:
    return cycle([str(one) for one in ids])
