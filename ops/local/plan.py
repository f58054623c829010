"""The programs and steps of one `lyceum up`, from its settings."""

import dataclasses
import os
from collections.abc import Callable

from ops.local import demo, migrations, postgres, valkey
from ops.local.addresses import complete, local_servers, postgres_server, valkey_server
from ops.local.command import PACKAGES_FOLDER, lyceum_command, lyceum_environment, run_lyceum
from ops.local.data_folder import DataFolder
from ops.local.ports import LOOPBACK, free_port
from ops.local.probes import ask
from ops.local.program import Program, Step
from ops.runtime.settings import Settings

DRAIN_SECONDS = 30.0
SERVER_ENVIRONMENT = {"PATH": os.defpath}


class Plan:
    """What to run. `settings` is complete: each process gets it as its environment."""

    def __init__(self, settings: Settings, folder: DataFolder) -> None:
        self.folder = folder
        self.ports = _choose_ports(settings)
        self.settings = complete(settings, folder, self.ports)
        self._environment = lyceum_environment(self.settings)
        self._servers = local_servers(settings)

    def programs(self) -> list[Program]:
        """Return the programs, local servers first."""
        makers: dict[str, Callable[[], Program]] = {
            "postgres": self._postgres,
            "valkey": self._valkey,
            "vectors": self._vectors,
            "gateway": self._gateway,
        }
        servers = [makers[name]() for name in makers if name in self._servers]
        return [*servers, self._api(), self._worker(), self._clock()]

    def steps(self) -> list[Step]:
        """Return what is done between the programs' starts."""
        schema = Step(name="schema", run=self._migrate, after=self._after("postgres"))
        if not demo.is_due(self.settings, self.folder):
            return [schema]
        return [
            schema,
            Step(name="demo", run=self._load_demo, after=("schema", *self._after("valkey"), *self._after("gateway"))),
        ]

    def demo_people(self) -> list[tuple[str, str]]:
        """Return e-mail and password of the demo people; nobody outside development."""
        if self.settings.env != "development":
            return []
        password = demo.demo_password(self.settings, self.folder)
        return [(email, password) for email in demo.DEMO_EMAILS]

    def _postgres(self) -> Program:
        server, port = postgres_server(self.folder), self.ports["postgres"]
        return Program(
            name="postgres",
            port=port,
            command=lambda: server.command(port),
            environment=SERVER_ENVIRONMENT,
            account=server.account,
            prepare=server.initialise,
            is_ready=server.is_ready,
            complete=lambda: server.create_roles(port),
            stop_signal=postgres.STOP_SIGNAL,
            keeps_data=True,
        )

    def _valkey(self) -> Program:
        server, port = valkey_server(self.folder), self.ports["valkey"]
        return Program(
            name="valkey",
            port=port,
            command=server.command,
            environment=SERVER_ENVIRONMENT,
            account=server.account,
            prepare=lambda: server.configure(port),
            is_ready=lambda _pid: server.is_ready(port),
            stop_signal=valkey.STOP_SIGNAL,
            keeps_data=True,
        )

    def _vectors(self) -> Program:
        return self._own("vectors", probe="/readyz", port=self.ports["vectors"], keeps_data=True)

    def _gateway(self) -> Program:
        return self._own("gateway", probe="/health", port=self.ports["gateway"])

    def _api(self) -> Program:
        return self._own("api", probe="/health/ready", port=self.settings.port, after=("schema",))

    def _worker(self) -> Program:
        return self._silent("worker")

    def _clock(self) -> Program:
        return self._silent("clock")

    def _silent(self, name: str) -> Program:
        """A process that serves nothing but its metrics."""
        port = self.ports[name]
        program = self._own(name, port=port, after=("schema", *self._after("valkey")))
        environment = {**program.environment, "LYCEUM_METRICS_ADDRESS": f"{LOOPBACK}:{port}"}
        return dataclasses.replace(program, environment=environment)

    def _own(
        self, name: str, *, probe: str = "", port: int = 0, after: tuple[str, ...] = (), keeps_data: bool = False
    ) -> Program:
        return Program(
            name=name,
            port=port,
            command=lambda: lyceum_command("run", name),
            environment=self._environment,
            folder=PACKAGES_FOLDER,
            after=after,
            is_ready=(lambda _pid: ask(port, probe).status == 200) if probe else None,
            stop_seconds=DRAIN_SECONDS,
            keeps_data=keeps_data,
        )

    def _after(self, server: str) -> tuple[str, ...]:
        return (server,) if server in self._servers else ()

    def _migrate(self) -> None:
        server = postgres_server(self.folder) if "postgres" in self._servers else None
        if server and migrations.is_current(self.folder, server, self.ports["postgres"]):
            return
        run_lyceum("migrate", environment=self._environment)
        if server:
            migrations.record(self.folder, server, self.ports["postgres"])

    def _load_demo(self) -> None:
        password = demo.demo_password(self.settings, self.folder)
        run_lyceum("demo", environment={**self._environment, "LYCEUM_DEMO_PASSWORD": password})
        demo.record_loaded(self.settings, self.folder)


def _choose_ports(settings: Settings) -> dict[str, int]:
    """Give each local server, and the metrics of worker and clock, a free port after the public one."""
    ports: dict[str, int] = {}
    for distance, name in enumerate((*local_servers(settings), "worker", "clock"), start=1):
        preferred = settings.port + distance
        ports[name] = free_port(preferred if preferred < 65536 else 0)
    return ports
