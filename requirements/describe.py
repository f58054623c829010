"""Read pip's installation report and say in one line which build of torch it chose and what that costs."""  # noqa: INP001

import json
import sys

GIGABYTES_OF_CUDA = (
    "about 3 GB to download and 7 GB on disk; an index with CPU builds (PIP_EXTRA_INDEX_URL) makes it 0.2 GB"
)

packages = [entry["metadata"] for entry in json.load(sys.stdin)["install"]]
torch = next((package["version"] for package in packages if package["name"] == "torch"), "")
has_cuda = any(package["name"].startswith("nvidia-") for package in packages)
sys.stdout.write(f"torch {torch} " + (f"with CUDA: {GIGABYTES_OF_CUDA}\n" if has_cuda else "(CPU build)\n"))
