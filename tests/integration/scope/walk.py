"""A random walk through everything that changes who may read what, with questions at every corner."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from tests.integration.scope.cached import CacheInspector
from tests.integration.scope.changes import CHANGES, Changes
from tests.integration.scope.choices import Choices
from tests.integration.scope.material import File
from tests.integration.scope.questions import WAYS, Questions
from tests.integration.scope.rereading import READS, Rereading
from tests.integration.scope.school import School

SHARES = {"upload": 2.2, "enrol": 2.0, "work": 1.3, "revoke": 1.5} | dict.fromkeys(WAYS, 2.0)
"""How often a kind is wanted, where another is wanted once."""
LOOK_EVERY = 50
FIRST = ("upload",) * 24 + ("enrol",) * 12 + ("work",)


class Walk:
    """One walk of one seed; `counts` says how often each kind of step was taken and what came of the questions."""

    def __init__(
        self,
        school: School,
        library: list[File],
        seed: int,
        *,
        look_into_cache: bool = True,
        expect_answers: bool = True,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._choose = Choices(school, library, seed)
        self._cache = CacheInspector(school, self.counts)
        self._looks = look_into_cache
        changes = Changes(school, self._choose)
        questions = Questions(school, self._choose, self._cache, self.counts, expect_answers)
        rereading = Rereading(school, self._choose, questions.asked, self.counts)
        self._steps: dict[str, Callable[[], Awaitable[bool]]] = {
            **{kind: getattr(changes, kind) for kind in CHANGES},
            **{kind: getattr(rereading, kind) for kind in READS},
            **{kind: partial(questions.ask, way) for kind, way in WAYS.items()},
        }

    @property
    def kinds(self) -> list[str]:
        return list(self._steps)

    @property
    def steps(self) -> int:
        return sum(self.counts[kind] for kind in self._steps)

    async def run(self, steps: int, each: int = 0) -> None:
        """Walk `steps` steps, and on until every kind was walked `each` times.

        Raises:
            ForeignPassage: somebody got what they may not read. NothingFound: or did not get what they may.
        """
        for kind in FIRST:
            await self.step(kind)
        while self.steps < steps or self._lacking(each):
            kind = self._choose.random.choices(self.kinds, [self._wanted(kind) for kind in self.kinds])[0]
            if not await self.step(kind):  # there was nothing to do it with; another may change that
                await self.step(self._choose.random.choice(self.kinds))
            if self._looks and self.steps % LOOK_EVERY == 0:
                await self._cache.look()
        if self._looks:
            await self._cache.look()

    async def step(self, kind: str) -> bool:
        """Take one step; False when there was nothing to do it with."""
        done = await self._steps[kind]()
        self.counts[kind] += done
        return done

    def _wanted(self, kind: str) -> float:
        """Prefer what fell behind, so that a walk of few steps has enough of each kind."""
        share = SHARES.get(kind, 1.0)
        behind = self.steps / len(self.kinds) - self.counts[kind] / share
        return share * max(1.0 + behind, 0.1)

    def _lacking(self, each: int) -> list[str]:
        return [kind for kind in self._steps if self.counts[kind] < each]
