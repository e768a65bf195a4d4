#!/bin/sh
# npm test: installs what is missing, then runs the tests (arguments: files, folders, globs, and mocha's options).
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
sh "$here/install.sh" || exit 1
exec sh "$here/node.sh" "$here/test.ts" "$@"
