# Runs a server that must not outlive its owner: guard.sh <folder> <program> [argument...]
#
# Prints the server's process id, then does what standard input says, a line at a time:
# the name of a signal is sent to the server. The owner holds the other end of the pipe,
# so its end, however it comes, closes it: then the server is killed and its folder
# removed. Exits when the server has ended.
folder=$1
shift

exec 3<&0
"$@" </dev/null >>"$folder/server.log" 2>&1 3<&- &
server=$!
echo "$server"

{
    while read -r signal; do
        kill -s "$signal" "$server"
    done
    # From here on the folder goes too, also if the server is gone before this line.
    trap '' TERM
    kill -s KILL "$server" || :
} <&3 &
reader=$!

wait "$server"
kill -s TERM "$reader"
if wait "$reader"; then
    rm -rf "$folder"
fi
