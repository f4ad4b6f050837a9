# SPDX-License-Identifier: GPL-2.0-only
# fork_storm.sh [REPEATS]: half a minute of forks, threads, affinity changes and clones: no eviction, and the machine answers after it.
. /root/lib.sh
repeats=${1:-1}
round=0
while [ $round -lt "$repeats" ]; do
	mus_start --stats-json /tmp/stats.json
	stress-ng -t 31 --aggressive -M -c 2 -f 2 --affinity 1 --affinity-delay 1 --affinity-pin --clone 1 >/tmp/storm.log 2>&1 ||
		{ tail -5 /tmp/storm.log; fail "stress-ng failed"; }
	[ "$(state)" = enabled ] || fail "sched_ext is $(state) after the storm"
	mus_stop
	no_kernel_error
	grep -E 'fork|affinity' /tmp/storm.log | tail -4
	say "events $(stat_field events), lost $(stat_field events_lost), decided $(stat_field decided), held $(stat_field held), fallback $(stat_field fallback), rescued $(stat_field rescued)"
	round=$((round + 1))
done
