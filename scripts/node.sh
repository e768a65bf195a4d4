#!/bin/sh
# Runs a script of this project on the Node that the project pins, whatever Node the machine has.
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
root=$(CDPATH= cd -- "$here/.." && pwd -P) || exit 1
node=$root/node_modules/node/bin/node

if [ ! -x "$node" ]; then
  # Installed without development dependencies: a Node of the right age on the machine serves as well.
  node=$(command -v node) || node=
  major=$("${node:-false}" -p 'process.versions.node.split(".")[0]' 2>/dev/null)
  if [ "${major:-0}" -lt 24 ]; then
    echo "Sluice needs Node 24 and found ${major:-none}. Run 'npm ci' in $root: it brings its own." >&2
    exit 1
  fi
fi

# Compiled code, types already stripped, is kept between starts: 20 to 40 % off the start of a process.
: "${NODE_COMPILE_CACHE:=$root/node_modules/.cache/compile}"
export NODE_COMPILE_CACHE
exec "$node" --disable-warning=ExperimentalWarning "$@"
