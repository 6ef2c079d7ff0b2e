#!/bin/sh
# restart-pause UNIT: waits before a unit is started again, longer each time while it keeps falling over.
# Debian 12's systemd (252) has no RestartSteps= yet. After RestartSec: 0, 1, 2, 4, 8, 16, 20, 20, ... seconds; a unit
# that ran for five minutes, or that a person started, begins anew.
set -eu
longest=20 calm=300
folder=/run/falcon-restarts
file=$folder/$1
uptime() { cut -d. -f1 /proc/uptime; }
mkdir -p "$folder"
if [ "$(systemctl show -P NRestarts "$1")" = 0 ]; then
    rm -f "$file"
    exit 0
fi
pause=0
if read -r started before < "$file" 2>/dev/null && [ $(($(uptime) - started)) -lt $calm ]; then
    pause=$((before > 0 ? before * 2 : 1))
    [ $pause -le $longest ] || pause=$longest
fi
sleep $pause
echo "$(uptime) $pause" > "$file"
