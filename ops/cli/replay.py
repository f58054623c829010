"""`lyceum replay ID`: an answer once more, from its record."""

import click
import msgspec

from db.unit_of_work import unit_of_work
from inference_gateway.client import GatewayClient
from inference_gateway.replaying import Replayed, ReplayImpossible, records_of, runs_of
from inference_gateway.replaying import replay as run_again
from ops.cli.errors import CommandFailed
from ops.cli.operating import show_json, show_table
from ops.cli.services import open_services, run_with_services
from ops.local.addresses import running_settings
from ops.runtime.crypto import ServiceTokens, decode_key
from ops.runtime.settings import Settings, load_settings

ID_CHARACTERS = 128
WIDTH = 120


@click.command()
@click.argument("identifier", metavar="ID")
@click.option("--show", is_flag=True, help="Print the texts, which somebody wrote or was told in confidence.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, texts included.")
def replay(identifier: str, show: bool, as_json: bool) -> None:
    """Run the answers of a request again and compare them: the id of a request, or of a record.

    At temperature 0 the embedded engine says the same again; exit status 1 when a text differs. Only where the institution
    consents to keeping texts. Each run is noted in its audit log.
    """
    settings = running_settings(load_settings(), ["postgres", "valkey", "gateway"])
    found = run_with_services(_replay(settings, identifier[:ID_CHARACTERS]))
    if as_json:
        show_json(found)
    else:
        columns = ("record", "model", "temperature", "seed", "characters", "same")
        rows = [
            (one.log_id, one.model, one.temperature, one.seed, len(one.then), "yes" if one.is_same else "no")
            for one in found
        ]
        show_table(columns, rows, width=WIDTH)
        for one in found if show else ():
            click.echo(f"\nthen: {_quoted(one.then)}\nnow:  {_quoted(one.now)}")
    if not all(one.is_same for one in found):
        raise CommandFailed("a text is not the same")


def _quoted(text: str) -> str:
    """Return the text as a JSON string: what a model wrote must not steer the terminal."""
    return msgspec.json.encode(text).decode()


async def _replay(settings: Settings, identifier: str) -> list[Replayed]:
    tokens = ServiceTokens(decode_key(settings.service_key))
    runs = runs_of(decode_key(settings.master_key))
    async with open_services(settings), GatewayClient(settings.gateway_url, tokens) as gateway:
        found = []
        try:
            for row in await records_of(identifier):
                if row.tenant_id is not None:
                    async with unit_of_work() as uow:
                        await uow.audit(None, "answer.replayed", {"log_id": row.id}, tenant_id=row.tenant_id)
                found.append(await run_again(row, runs, gateway))
        except ReplayImpossible as error:
            raise CommandFailed(str(error)) from error
    return found
