#!/usr/bin/env bash
# Rewrites requirements/lock.txt from pyproject.toml. Needs uv (`pip install uv`).
# torch and what only its CUDA build brings stay out: see requirements/torch.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
skip=(torch triton cuda-bindings cuda-pathfinder cuda-toolkit)
for package in cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse \
    cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx; do
    skip+=("nvidia-$package")
done
uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
    --quiet "${skip[@]/#/--no-emit-package=}" "$@" -o requirements/lock.txt
