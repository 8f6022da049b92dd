#!/bin/sh
# Runs a workflow file from its start to its end on a server of its own, and shows how it went.
#
#     examples/run.sh FILE [FLAGS OF `capataz run start`]
#
# The program is $CAPATAZ, or `capataz` from the PATH. Everything that the server keeps is in a
# temporary folder, which is gone afterwards. Ends with what `capataz run watch` ends with: 0 when
# the run succeeded, 2 when it failed.
set -eu

if [ $# -eq 0 ]; then
    echo "usage: examples/run.sh FILE [FLAGS OF \`capataz run start\`]" >&2
    exit 1
fi
capataz=${CAPATAZ:-capataz}
file=$1
shift
folder=$(mktemp -d)
server=

finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || :
        wait "$server" || :
    fi
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

"$capataz" dev --data-dir "$folder/data" --listen 127.0.0.1:0 --group examples --slots 4 \
    2>"$folder/log" &
server=$!
until [ -s "$folder/data/address" ]; do
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$folder/log" >&2
        exit 1
    fi
    sleep 0.1
done
CAPATAZ_SERVER=$(cat "$folder/data/address")
CAPATAZ_TOKEN=$(cat "$folder/data/admin-token")
export CAPATAZ_SERVER CAPATAZ_TOKEN

run=$("$capataz" run start --file "$file" "$@")
ended=0
"$capataz" run watch "$run" || ended=$?
echo
"$capataz" run show "$run"
exit "$ended"
