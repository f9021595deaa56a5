#!/bin/bash
# Ends what Ray leaves behind on a machine: its log monitor goes on asking for a head after `ray down` has ended that, and
# the raylet with it. Started beside a worker's Ray; of another Ray of the same user it touches nothing.
raylet=$(pgrep -n -u "$(id -u)" -x raylet) && monitor=$(pgrep -n -u "$(id -u)" -f /log_monitor.py) || exit 0
tail --pid="$raylet" -f /dev/null
kill "$monitor"
