"""Roles and permissions."""

from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_201_CREATED

from backend.identity import rights
from backend.identity.schemas import NewRole, Permission, RoleChange
from backend.kit.http import CurrentSubject, permission
from backend.kit.pagination import Page
from backend.kit.permissions import PERMISSIONS
from db.repositories.rights import RoleRow
from ops.runtime.ids import RoleId


class RoleController(Controller):
    path = "/api/v1/roles"
    tags = ("people and rights",)

    @get(opt=permission("person.read"))
    async def list_roles(self, subject: CurrentSubject) -> Page[RoleRow]:
        """The tenant's roles, by name."""
        return Page(items=await rights.list_roles(subject))

    @post(opt=permission("role.write"), status_code=HTTP_201_CREATED)
    async def create_role(self, subject: CurrentSubject, data: JSONBody[NewRole]) -> RoleRow:
        """Make a role of permissions one holds oneself."""
        return await rights.create_role(subject, data)

    @get("/{role_id:uuid}", opt=permission("person.read"))
    async def get_role(self, subject: CurrentSubject, role_id: FromPath[RoleId]) -> RoleRow:
        """One role."""
        return await rights.get_role(subject, role_id)

    @patch("/{role_id:uuid}", opt=permission("role.write"))
    async def change_role(
        self, subject: CurrentSubject, role_id: FromPath[RoleId], data: JSONBody[RoleChange]
    ) -> RoleRow:
        """Rename a role or change its permissions; they count from the holders' next request on."""
        return await rights.change_role(subject, role_id, data)

    @delete("/{role_id:uuid}", opt=permission("role.write"))
    async def delete_role(self, subject: CurrentSubject, role_id: FromPath[RoleId]) -> None:
        """Delete a role that nobody holds."""
        await rights.delete_role(subject, role_id)


class PermissionController(Controller):
    path = "/api/v1/permissions"
    tags = ("people and rights",)

    @get(opt=permission("person.read"))
    async def list_permissions(self) -> Page[Permission]:
        """Every permission there is, with what it lets one do."""
        items = [Permission(name=name, description=description) for name, description in PERMISSIONS.items()]
        return Page(items=items)
