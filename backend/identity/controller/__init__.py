"""The routes of identity."""

from backend.identity.controller.auth import AuthController
from backend.identity.controller.me import MeController
from backend.identity.controller.rights import PermissionController, RoleController
from backend.identity.controller.users import UserController

controllers = [AuthController, MeController, UserController, RoleController, PermissionController]

__all__ = ["controllers"]
