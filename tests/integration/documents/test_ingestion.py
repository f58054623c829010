"""From bytes to passages that can be found."""

from uuid import UUID

from backend.academics.service import scope_for
from backend.documents import service
from db import query
from tests.installation import Installation

MARKDOWN = """# Gradient descent

Gradient descent takes steps against the gradient of the loss. The learning rate says how long a step is.

## Momentum

Momentum keeps a running average of past gradients, which carries the iterate through flat regions of the loss.

# الاحتمالات

نظرية بايز تربط بين الاحتمال الشرطي والاحتمال القبلي. نستخدمها لتحديث الاعتقاد عند ظهور دليل جديد.
""".encode()


async def test_markdown_becomes_ready(installation: Installation) -> None:
    accepted = await installation.upload(MARKDOWN, "week 1.md")
    assert accepted.state == "queued"

    await installation.work()

    document = await service.get_document(installation.home.administrator, accepted.id)
    assert (document.state, document.serving_version, document.failure) == ("ready", 1, None)
    assert document.title == "week 1"
    scope = await scope_for(installation.home.administrator)
    ids: list[UUID] = await query.fetch_values("SELECT id FROM passages ORDER BY ordinal")
    found = await service.passages_in_scope(ids, scope)
    text = MARKDOWN.decode()
    assert [passage.passage_id for passage in found] == ids
    assert all(passage.text == passage.text.strip() and passage.text in text for passage in found)
    assert await installation.tools.vectors.count(scope, document_id=accepted.id) == len(ids) == document.passages
    assert document.passages_without_dense == sum(passage.language != "en" for passage in found)
    assert document.passages_without_dense
