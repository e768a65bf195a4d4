#!/bin/sh
# Installs the dependencies if they are missing or the lock file has changed since. Says so in one line, else nothing.
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
cd "$here/.." || exit 1
stamp=node_modules/.sluice-installed

# True if node_modules is what package-lock.json describes: our stamp says so, or npm itself has installed after the
# lock file was last written (then npm's own copy of it is the newer one).
installed() {
  [ -x node_modules/node/bin/node ] || return 1
  [ "$(cat "$stamp" 2>/dev/null)" = "$(cksum <package-lock.json)" ] && return 0
  [ -n "$(find node_modules/.package-lock.json -newer package-lock.json 2>/dev/null)" ] || return 1
  cksum <package-lock.json >"$stamp"
}

installed && exit 0

if ! command -v npm >/dev/null 2>&1; then
  echo "Sluice needs npm to install its dependencies, and there is none on the PATH. Install Node 20 or newer with npm." >&2
  exit 1
fi

# One at a time: two commands begun together in a fresh clone must not install over each other.
if command -v flock >/dev/null 2>&1; then
  exec 9<package.json
  flock 9
  installed && exit 0
fi

echo "Installing dependencies (once; about half a minute) ..." >&2
# Development dependencies too, whatever NODE_ENV says: the Node that everything runs on is one of them.
npm ci --include=dev --no-audit --no-fund --loglevel=error >/dev/null 9<&- || {
  echo "The dependencies could not be installed; npm says why above. Run 'npm ci' in $(pwd) to try again." >&2
  exit 1
}
# Where npm is set to run no install scripts, these two have not been completed.
[ -x node_modules/node/bin/node ] ||
  npm rebuild --ignore-scripts=false --loglevel=error node esbuild >/dev/null 9<&-
[ -x node_modules/node/bin/node ] || {
  echo "npm installed the package 'node' without its program, so its install script did not run. Allow it: npm rebuild node" >&2
  exit 1
}
cksum <package-lock.json >"$stamp"
