"""Names that callers know, each with a version and a chain of upstreams: `tutor` is `tutor@stable`."""

from collections.abc import Iterable

import msgspec

from inference_gateway.errors import GenerationUnavailable, ModelUnknown
from inference_gateway.routing.member import Member

STABLE = "@stable"


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A name and its stages: equal replicas first, then those that stand in for them, with `degraded`."""

    name: str
    stages: tuple[tuple[Member, ...], ...]


class Aliases:
    """The names served here; the first one, or `default`, is meant by an empty name."""

    def __init__(self, aliases: Iterable[Alias], default: str = "") -> None:
        self._by_name = {with_version(alias.name): alias for alias in aliases}
        self._default = with_version(default) if default else next(iter(self._by_name), "")

    @property
    def names(self) -> list[str]:
        """All names, the default one first."""
        return [self._by_name[key].name for key in sorted(self._by_name, key=lambda key: key != self._default)]

    @property
    def default(self) -> Alias | None:
        """What an empty name means; None where nothing is served."""
        return self._by_name.get(self._default)

    def find(self, name: str) -> Alias:
        """Return what `name` stands for.

        Raises:
            GenerationUnavailable: nothing is served here at all.
            ModelUnknown: something, but not this.
        """
        if not self._by_name:
            raise GenerationUnavailable("No generation model is set up.")
        alias = self._by_name.get(with_version(name) if name else self._default)
        if alias is None:
            raise ModelUnknown(f"The generation models served here are {', '.join(self.names)}.", pointer="/model")
        return alias


def with_version(name: str) -> str:
    """Return the name with its version: one without means the stable one."""
    return name if "@" in name else name + STABLE
