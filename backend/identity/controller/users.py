"""People and their grants."""

from typing import Literal

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from backend.identity import links, people, restoring, rights
from backend.identity.schemas import FoundPerson, NewGrant, NewPersonInput, PersonChange, SignInLink
from backend.kit.http import CurrentSubject, PageCursor, PageLimit, QueryText, permission
from backend.kit.pagination import DEFAULT_LIMIT, Page, decode_cursor, page_of
from db.repositories.people import PersonRow
from db.repositories.rights import GrantRow
from ops.runtime.ids import GrantId, UserId


class ByPerson(msgspec.Struct, frozen=True):
    id: UserId


class UserController(Controller):
    path = "/api/v1/users"
    tags = ("people and rights",)

    @get(opt=permission("person.read"))
    async def list_users(
        self,
        subject: CurrentSubject,
        q: QueryText = None,
        account_state: FromQuery[Literal["active", "disabled"] | None] = None,
        deleted: FromQuery[bool] = False,
        cursor: PageCursor = None,
        limit: PageLimit = DEFAULT_LIMIT,
    ) -> Page[PersonRow]:
        """People, newest first: of the tenant, or of the faculties and courses whose people one may read.

        With `deleted=true` those whom one may restore.
        """
        before = decode_cursor(cursor, ByPerson)
        list_people = restoring.list_deleted_people if deleted else people.list_people
        rows = await list_people(
            subject, text=q or None, state=account_state, before_id=before.id if before else None, limit=limit + 1
        )
        return page_of(rows, limit, lambda row: ByPerson(row.id))

    @get("/lookup", opt=permission("person.read"))
    async def look_up_users(self, subject: CurrentSubject, q: QueryText = None) -> Page[FoundPerson]:
        """At most 20 active people of the tenant whose address or a word of whose name begins with `q`, from 3 characters on."""
        return Page(items=await people.find_people(subject, q or ""))

    @post(opt=permission("person.write", stores_answer=False), status_code=HTTP_201_CREATED)
    async def create_user(self, subject: CurrentSubject, data: JSONBody[NewPersonInput]) -> PersonRow:
        """Make a person."""
        return await people.create_person(subject, data)

    @get("/{user_id:uuid}", opt=permission("person.read"))
    async def get_user(self, subject: CurrentSubject, user_id: FromPath[UserId]) -> PersonRow:
        """One person."""
        return await people.get_person(subject, user_id)

    @patch("/{user_id:uuid}", opt=permission("person.write"))
    async def change_user(
        self, subject: CurrentSubject, user_id: FromPath[UserId], data: JSONBody[PersonChange]
    ) -> PersonRow:
        """Change or disable a person; what is left out stays."""
        return await people.change_person(subject, user_id, data)

    @delete("/{user_id:uuid}", opt=permission("person.write"))
    async def delete_user(self, subject: CurrentSubject, user_id: FromPath[UserId]) -> None:
        """Delete a person; the account can be recovered until its purge date."""
        await people.delete_person(subject, user_id)

    @post("/{user_id:uuid}/restore", opt=permission("person.write"), status_code=HTTP_200_OK)
    async def restore_user(self, subject: CurrentSubject, user_id: FromPath[UserId]) -> PersonRow:
        """Take back the deletion of a person until the purge date: they sign in as before, with the grants they had."""
        return await restoring.restore_person(subject, user_id)

    @post(
        "/{user_id:uuid}/sign-in-link",
        opt=permission("person.write", stores_answer=False),
        status_code=HTTP_201_CREATED,
    )
    async def create_sign_in_link(self, subject: CurrentSubject, user_id: FromPath[UserId]) -> SignInLink:
        """Make a link that signs the person in once within 24 hours; earlier links end."""
        return await links.make_sign_in_link(subject, user_id)

    @get("/{user_id:uuid}/grants", opt=permission("person.read"))
    async def list_grants(self, subject: CurrentSubject, user_id: FromPath[UserId]) -> Page[GrantRow]:
        """What a person holds."""
        return Page(items=await rights.list_grants(subject, user_id))

    @post("/{user_id:uuid}/grants", opt=permission("grant.write"), status_code=HTTP_201_CREATED)
    async def give_grant(
        self, subject: CurrentSubject, user_id: FromPath[UserId], data: JSONBody[NewGrant]
    ) -> GrantRow:
        """Give a role in the tenant, a faculty or a course."""
        return await rights.give(subject, user_id, data)

    @get("/{user_id:uuid}/grants/{grant_id:uuid}", opt=permission("person.read"))
    async def get_grant(
        self, subject: CurrentSubject, user_id: FromPath[UserId], grant_id: FromPath[GrantId]
    ) -> GrantRow:
        """One grant."""
        return await rights.get_grant(subject, user_id, grant_id)

    @delete("/{user_id:uuid}/grants/{grant_id:uuid}", opt=permission("grant.write"))
    async def take_grant(self, subject: CurrentSubject, user_id: FromPath[UserId], grant_id: FromPath[GrantId]) -> None:
        """End a grant."""
        await rights.take(subject, user_id, grant_id)
