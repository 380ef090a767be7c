#!/bin/sh
# axe-core for the test of the pages' accessibility, from npm's registry into $VENV/axe-core. Where it cannot be had
# that test is skipped, except in CI=true, where that is an error. AMGAN_AXE names another axe.min.js.
set -eu

VERSION=4.10.3
SHA256=0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292
REGISTRY=${npm_config_registry:-https://registry.npmjs.org}
target="${VENV:-.venv}/axe-core"

[ -z "${AMGAN_AXE:-}" ] || exit 0
[ ! -f "$target/axe.min.js" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
archive="$work/axe-core-$VERSION.tgz"
if command -v npm >/dev/null 2>&1; then
    npm pack --silent --pack-destination "$work" "axe-core@$VERSION" >/dev/null || true
elif command -v curl >/dev/null 2>&1; then
    curl -fsSL --retry 2 -o "$archive" "${REGISTRY%/}/axe-core/-/axe-core-$VERSION.tgz" || true
fi

if [ -f "$archive" ] && echo "$SHA256  $archive" | sha256sum -c >/dev/null 2>&1; then
    tar -xzf "$archive" -C "$work"
    mkdir -p "$target"
    cp "$work/package/LICENSE" "$target/"
    mv "$work/package/axe.min.js" "$target/axe.min.js"
    exit 0
fi

echo "No axe-core $VERSION here, and npm's registry does not give it: the test of accessibility needs it" \
    "(AMGAN_AXE=/path/to/axe.min.js)." >&2
[ "${CI:-}" != "true" ]
