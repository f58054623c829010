"""What waits for a permit: in fair turns among tenants by their weights, and within a tenant among its people."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from inference_gateway.limits.turns import Turns

Item = TypeVar("Item")


class Flow(msgspec.Struct, frozen=True):
    """Whose request it is; requests without tenant or person share a flow."""

    tenant_id: UUID | None
    user_id: UUID | None


class _Tenant(Generic[Item]):
    def __init__(self) -> None:
        self.weight = 1.0
        self.turns: Turns[UUID | None] = Turns()
        self.people: dict[UUID | None, deque[tuple[float, Item]]] = {}
        self.waiting = 0


class FairQueue(Generic[Item]):
    """Each piece has a cost in tokens. The first piece of a flow's person waits behind no other person's load."""

    def __init__(self) -> None:
        self._turns: Turns[UUID | None] = Turns()
        self._tenants: dict[UUID | None, _Tenant[Item]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def has(self, tenant_id: UUID | None) -> bool:
        """Tell whether something of the tenant waits."""
        tenant = self._tenants.get(tenant_id)
        return tenant is not None and tenant.waiting > 0

    def push(self, flow: Flow, weight: float, cost: float, item: Item) -> None:
        """Let a piece wait; `weight` is the tenant's from now on."""
        tenant = self._tenants.setdefault(flow.tenant_id, _Tenant())
        tenant.weight = weight
        self._turns.join(flow.tenant_id)
        tenant.turns.join(flow.user_id)
        tenant.people.setdefault(flow.user_id, deque()).append((cost, item))
        tenant.waiting += 1
        self._count += 1

    def pass_by(self, flow: Flow, weight: float, cost: float) -> None:
        """Count a piece that need not wait, as nothing does: its flows have had it."""
        self._turns.join(flow.tenant_id)
        self._turns.served(flow.tenant_id, cost, weight, more=False)
        if (tenant := self._tenants.get(flow.tenant_id)) is not None:
            tenant.turns.join(flow.user_id)
            tenant.turns.served(flow.user_id, cost, 1.0, more=False)

    def pop(self, may: Callable[[UUID | None], bool]) -> tuple[Flow, Item] | None:
        """Return whose turn it is among the tenants that may be served, or None."""
        tenant_id = self._turns.first(may)
        if tenant_id not in self._tenants or not self._tenants[tenant_id].waiting or not may(tenant_id):
            return None
        tenant = self._tenants[tenant_id]
        user_id = tenant.turns.first(lambda _: True)
        pieces = tenant.people[user_id]
        cost, item = pieces.popleft()
        tenant.turns.served(user_id, cost, 1.0, more=bool(pieces))
        self._forget_piece(tenant, user_id)
        self._turns.served(tenant_id, cost, tenant.weight, more=bool(tenant.waiting))
        return Flow(tenant_id, user_id), item

    def remove(self, flow: Flow, item: Item) -> bool:
        """Take out a piece that is given up; False when it does not wait (any more)."""
        tenant = self._tenants.get(flow.tenant_id)
        pieces = tenant.people.get(flow.user_id) if tenant else None
        found = next((piece for piece in pieces or () if piece[1] is item), None)
        if tenant is None or pieces is None or found is None:
            return False
        pieces.remove(found)
        if not pieces:
            tenant.turns.leave(flow.user_id)
        self._forget_piece(tenant, flow.user_id)
        if not tenant.waiting:
            self._turns.leave(flow.tenant_id)
        return True

    def shed(self, newcomer: Flow, weight: float) -> tuple[Flow, Item] | None:
        """Take out the newest piece of the tenant that waits with most for its weight, if that is more than the newcomer's.

        So a full queue refuses those who filled it (longest queue drop, P. E. McKenney, "Stochastic Fairness Queueing", 1990).
        """
        longest = max(self._tenants, key=lambda each: self._tenants[each].waiting / self._tenants[each].weight)
        own = self._tenants.get(newcomer.tenant_id)
        own_waiting = own.waiting if own else 0
        tenant = self._tenants[longest]
        if longest == newcomer.tenant_id or tenant.waiting / tenant.weight <= (own_waiting + 1) / weight:
            return None
        user_id = max(tenant.people, key=lambda each: len(tenant.people[each]))
        flow, item = Flow(longest, user_id), tenant.people[user_id][-1][1]
        self.remove(flow, item)
        return flow, item

    def _forget_piece(self, tenant: _Tenant[Item], user_id: UUID | None) -> None:
        tenant.waiting -= 1
        self._count -= 1
        if not tenant.people[user_id]:
            del tenant.people[user_id]
