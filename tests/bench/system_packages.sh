#!/usr/bin/env bash
# The benches need wrk and Chromium; only root can install them.
set -euo pipefail
missing=()
command -v wrk >/dev/null || missing+=(wrk)
[ -x "${LYCEUM_CHROMIUM:-}" ] || command -v chromium >/dev/null || missing+=(chromium)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The benches need ${missing[*]} (on Debian: sudo apt-get install ${missing[*]})." >&2
    exit 1
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
