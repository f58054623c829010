"""A dead delivery that an operator starts again."""

from db import query
from tests.api import problem
from tests.integration.webhooks.conftest import World


async def test_the_message_waits_again_and_is_delivered_once(world: World) -> None:
    hook = await world.hook()
    world.receiver.answer(500)
    await world.make_course()
    await world.spread()
    for _ in range(8):
        await world.work()
        await world.hurry()
    (delivery,) = await world.deliveries(hook)
    assert delivery["state"] == "failed"
    assert await query.fetch_value("SELECT state FROM jobs WHERE id = $1", delivery["job_id"]) == "dead"

    world.receiver.answer(200)
    retry = f"/api/v1/jobs/{delivery['job_id']}/retry"
    assert (await world.operator.post(retry)).status_code == 202
    assert (await world.deliveries(hook))[0]["state"] == "waiting"
    assert await world.work() == 1
    assert (await world.deliveries(hook))[0]["state"] == "delivered"

    await query.execute(
        "UPDATE jobs SET state = 'dead' WHERE id = $1", delivery["job_id"]
    )  # as another one that delivered
    problem(await world.operator.post(retry), 409, "job-obsolete")
    assert "webhook.delivery_replayed" in await world.acts("webhook.")
