#!/bin/sh
# npm start: installs what is missing, then becomes `sluice up`.
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
sh "$here/install.sh" || exit 1
exec sh "$here/node.sh" "$here/../cli/main.ts" up "$@"
