"""Runs the supervisor with the local PostgreSQL and Valkey alone: `servers_only.py DATA_FOLDER`; prints `ready`."""

import asyncio
import sys
from pathlib import Path

from ops.local.data_folder import DataFolder
from ops.local.plan import Plan
from ops.local.records import stop_leftovers
from ops.local.supervisor import Supervisor
from ops.runtime.settings import Settings

folder = DataFolder(Path(sys.argv[1]))
folder.prepare()
with folder.lock():
    print("leftovers", *stop_leftovers(folder), flush=True)
    plan = Plan(Settings(data_dir=folder.root, port=int(sys.argv[2])), folder)
    programs = [program for program in plan.programs() if program.name in {"postgres", "valkey"}]
    supervisor = Supervisor(
        folder,
        programs,
        [],
        port=plan.settings.port,
        on_change=lambda child: print(child.program.name, child.state, flush=True),
        on_ready=lambda: print("ready", plan.settings.database_direct_url, plan.settings.redis_url, flush=True),
    )
    asyncio.run(supervisor.run())
    print("end", flush=True)
