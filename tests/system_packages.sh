#!/usr/bin/env bash
# The browser tests need Debian's Chromium and a font with Arabic letters; only root can install them. The alert rules are
# tested by promtool, which is taken out of Debian's package, so that no Prometheus is started.
set -euo pipefail
tools="$(dirname "$0")/../build/tools"
needs_promtool() { ! command -v promtool >/dev/null && [ ! -x "$tools/promtool" ]; }
missing=()
[ -x "${LYCEUM_CHROMIUM:-}" ] || command -v chromium >/dev/null || missing+=(chromium)
[ -n "$(ls -d /usr/share/fonts/truetype/noto/NotoSansArabic* 2>/dev/null)" ] || missing+=(fonts-noto-core)
[ ${#missing[@]} -eq 0 ] && ! needs_promtool && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Tests are skipped: they need ${missing[*]} and promtool (on Debian: sudo apt-get install ${missing[*]} prometheus)." >&2
    exit 0
fi
echo "installing ${missing[*]:-promtool}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
[ ${#missing[@]} -eq 0 ] || apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
if needs_promtool; then
    package="$(mktemp -d)"
    (cd "$package" && apt-get download -qq prometheus 2>/dev/null)
    mkdir -p "$tools"
    dpkg-deb --fsys-tarfile "$package"/prometheus_*.deb | tar -x -C "$tools" --strip-components=3 ./usr/bin/promtool
    rm -r "$package"
fi
