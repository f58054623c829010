#!/usr/bin/env bash
# The browser tests need Debian's Chromium and a font with Arabic letters; only root can install them.
set -euo pipefail
missing=()
[ -x "${LYCEUM_CHROMIUM:-}" ] || command -v chromium >/dev/null || missing+=(chromium)
[ -n "$(ls -d /usr/share/fonts/truetype/noto/NotoSansArabic* 2>/dev/null)" ] || missing+=(fonts-noto-core)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The browser tests are skipped: they need ${missing[*]} (on Debian: sudo apt-get install ${missing[*]})." >&2
    exit 0
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
