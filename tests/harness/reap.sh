#!/bin/sh
# Ends what one test process left behind: its processes, its control groups, its network namespaces,
# its mounts, its folder.
# usage: reap.sh OWNER FOLDER [after-input]
# With `after-input` it first waits for the end of its standard input, which the test process holds open.
owner=$1
folder=$2
if [ "${3:-}" = after-input ]; then
    trap '' HUP INT TERM
    cat >/dev/null
fi

# A process is known by the mark in its environment, so that grandchildren and daemons are found too.
marked() {
    grep -lzx "ADIT_TEST_OWNER=$owner" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
}

signal=TERM
round=0
while [ $round -lt 100 ]; do
    found=$(marked)
    [ -n "$found" ] || break
    # PostgreSQL gives its shared memory back only when it is asked to end.
    if [ $round -eq 60 ]; then signal=KILL; fi
    if [ $round -eq 0 ] || [ $round -ge 60 ]; then
        for pid in $found; do kill -s $signal "$pid" 2>/dev/null; done
    fi
    sleep 0.05
    round=$((round + 1))
done

# Empty only when the last process of a pod is gone, a moment after the first process of its node.
round=0
while [ $round -lt 100 ]; do
    found=$(find /sys/fs/cgroup -depth -type d -path "*/adit-$owner-*" 2>/dev/null)
    [ -n "$found" ] || break
    echo "$found" | xargs rmdir 2>/dev/null
    sleep 0.05
    round=$((round + 1))
done

for path in /run/netns/adit-"$owner"-*; do
    [ -e "$path" ] && ip netns del "${path#/run/netns/}"
done
# What is mounted below it would be emptied, and keep it.
cut -d' ' -f2 /proc/mounts | grep "^$folder/" | while read -r path; do
    umount --lazy "$path"
done
rm -rf "$folder"
