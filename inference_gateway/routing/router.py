"""The third stage of the pipe: from a valid request to the upstreams to try, best first."""

from collections.abc import Callable, Iterable
from uuid import UUID

import msgspec

from inference_gateway.errors import GenerationUnavailable
from inference_gateway.routing.affinity import in_order
from inference_gateway.routing.aliases import Alias, Aliases
from inference_gateway.routing.budget import RetryBudget
from inference_gateway.routing.member import Member

RETRY_AFTER_SECONDS = 2

Consents = Callable[[UUID | None], bool]
"""Whether a tenant allows its text to leave the installation."""


class Choice(msgspec.Struct, frozen=True):
    """One upstream to try. `stands_in`: it is not of the alias's first stage."""

    member: Member
    stands_in: bool


class Route(msgspec.Struct, frozen=True):
    """The upstreams to try, in order; never empty."""

    alias: Alias
    choices: tuple[Choice, ...]


class ExternalPolicy:
    """Whose text may leave the installation: one rule, asked for every request before an external upstream is considered.

    Whoever runs the gateway may name tenants in the routing file, and each tenant says what it allows: where both speak, both
    must allow it. A file that names none (None) leaves it to the tenants; a gateway that cannot know what they say (no
    database) allows only those that the file names. Text of nobody's never leaves.
    """

    def __init__(self, tenants: Iterable[UUID] | None = None) -> None:
        self._tenants = None if tenants is None else frozenset(tenants)
        self.consents: Consents | None = None

    def allows(self, tenant_id: UUID | None) -> bool:
        """Tell whether a tenant's requests may go to an external upstream."""
        if tenant_id is None or (self._tenants is not None and tenant_id not in self._tenants):
            return False
        return self._tenants is not None if self.consents is None else self.consents(tenant_id)


class Router:
    """All upstreams of this gateway and the names that lead to them."""

    def __init__(self, members: Iterable[Member], aliases: Aliases, policy: ExternalPolicy | None = None) -> None:
        self.members = {member.name: member for member in members}
        self.aliases = aliases
        self.retries = RetryBudget()
        self.policy = policy or ExternalPolicy()

    def route(self, alias: Alias, tenant_id: UUID | None, adapter_sha256: str) -> Route:
        """Return whom to ask; breakers are asked only when it comes to that.

        Raises:
            GenerationUnavailable: every upstream of the alias is drained, or outside the installation and the tenant's text may
                not go there.
        """
        choices = tuple(
            Choice(member, stage > 0)
            for stage, replicas in enumerate(alias.stages)
            for member in in_order(self._open_to(replicas, tenant_id), adapter_sha256)
        )
        if not choices:
            raise GenerationUnavailable(
                "No upstream of this model may be used now.", retry_after_seconds=RETRY_AFTER_SECONDS
            )
        return Route(alias, choices)

    def _open_to(self, replicas: tuple[Member, ...], tenant_id: UUID | None) -> tuple[Member, ...]:
        return tuple(
            one for one in replicas if not one.draining and (not one.traits.external or self.policy.allows(tenant_id))
        )


def single(member: Member | None) -> Router:
    """Return the router of a gateway with one upstream, known by its model's name, or with none."""
    if member is None:
        return Router((), Aliases(()))
    return Router((member,), Aliases((Alias(name=member.upstream.model, stages=((member,),)),)))
