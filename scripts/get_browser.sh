#!/bin/sh
# Chromium for the tests marked `browser`. Where it is missing and cannot be installed those tests are skipped,
# except in CI=true, where that is an error. Any Chromium or Chrome will do; AMGAN_BROWSER names one elsewhere.
set -eu

for candidate in "${AMGAN_BROWSER:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1; then exit 0; fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Debian's chromium for the browser tests."
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; then exit 0; fi
fi

echo "No Chromium here, and it cannot be installed from here: the browser tests need it (AMGAN_BROWSER=/path/to/it)." >&2
[ "${CI:-}" != "true" ]
