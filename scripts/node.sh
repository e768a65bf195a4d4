#!/bin/sh
# Runs a script of this project on the Node that the project pins, whatever Node the machine has.
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
exec "$here/node_modules/node/bin/node" --disable-warning=ExperimentalWarning "$@"
