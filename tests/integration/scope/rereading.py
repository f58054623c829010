"""Steps that read again what was uploaded or answered before."""

from collections import Counter

from tests.integration.scope import asking
from tests.integration.scope.asking import Got
from tests.integration.scope.checker import ForeignPassage, check_codes, check_turn
from tests.integration.scope.choices import Choices
from tests.integration.scope.model import Person
from tests.integration.scope.school import School

READS = ("read_document", "read_history", "read_events", "read_of_others")


class Rereading:
    """Each step returns False when there was nothing to read."""

    def __init__(self, school: School, choose: Choices, asked: list[tuple[Person, Got]], counts: Counter[str]) -> None:
        self._school = school
        self._model = school.model
        self._choose = choose
        self._asked = asked
        self._counts = counts

    async def read_document(self) -> bool:
        """Anybody reads any document, live or not: often one that was cited to somebody."""
        if not self._model.documents:
            return False
        person = self._choose.random.choice(self._model.people)
        document = self._choose.random.choice(list(self._model.documents.values()))
        statuses, body = await asking.read_document(self._school, person, document.id)
        is_reader = document.is_live and self._model.may_read(person, document.course)
        if not is_reader or (document.serving == 0 and not self._model.may_write(person, document.course)):
            if not set(statuses) <= set(asking.REFUSED):
                raise ForeignPassage(f"{person.name} reads {document}: {statuses}")
            check_codes(self._model, person, body)
        elif document.serving:
            assert set(statuses) == {200}, statuses
            assert document.served_file.code in body
            check_codes(self._model, person, body)
        return True

    async def read_history(self) -> bool:
        if not self._asked:
            return False
        person, got = self._choose.random.choice(self._asked)
        found = await asking.conversation(self._school, person, got.session_id)
        assert found is not None
        for turn in found["turns"]:
            check_turn(self._model, person, turn)
            self._counts["withdrawn"] += sum(citation["withdrawn"] for citation in turn["citations"])
        return True

    async def read_events(self) -> bool:
        if not self._asked:
            return False
        person, got = self._choose.random.choice(self._asked)
        again = await asking.events_again(self._school, person, got.message_id)
        assert again is not None
        check_turn(self._model, person, {"citations": again.evidence})
        check_codes(self._model, person, again.body)
        return True

    async def read_of_others(self) -> bool:
        """Nobody reads another person's conversation, an administrator neither."""
        if not self._asked:
            return False
        owner, got = self._choose.random.choice(self._asked)
        other = self._choose.random.choice([person for person in self._model.people if person is not owner])
        session = await asking.conversation(self._school, other, got.session_id)
        events = await asking.events_again(self._school, other, got.message_id)
        if session is not None or events is not None:
            raise ForeignPassage(f"{other.name} reads what {owner.name} asked")
        return True
