# SPDX-License-Identifier: GPL-2.0-only
# fault_memory.sh [SECONDS]: nearly all memory in use, huge pages always, compaction and dropped caches again and again. The daemon never waits for
# a page, and goes on deciding.
. /root/lib.sh
. /root/fault_lib.sh
seconds=${1:-5}
workload
mus_start
quiet 3
echo always >/sys/kernel/mm/transparent_hugepage/enabled
vm() { sed -n "s/^$1 //p" /proc/vmstat; }
counted="pgscan_kswapd pgscan_direct compact_migrate_scanned compact_stall thp_fault_alloc allocstall_movable"
faults=$(status_field page_faults) decided=$(status_field decided)
for name in $counted; do eval "before_$name=$(vm $name)"; done
beat_begin
(while :; do echo 1 >/proc/sys/vm/compact_memory; echo 3 >/proc/sys/vm/drop_caches; sleep 0.3; done) &
compacts=$!
(while :; do dd if=/dev/zero of=/tmp/filler bs=1M count=64 2>/dev/null; cat /tmp/filler >/dev/null; done) &
files=$!
stress-ng -q -t "$seconds" --vm 2 --vm-bytes 96% --vm-method zero-one >/tmp/memory.log 2>&1 || fail "stress-ng: $(cat /tmp/memory.log)"
kill $compacts $files
wait $compacts $files 2>/dev/null
beat_end "memory is short"
row "memory is short for $seconds s"
figures=
for name in $counted; do figures="$figures $name $(($(vm $name) - $(eval "echo \$before_$name")))"; done
say "meanwhile:$figures"
[ "$(status_field page_faults)" = "$faults" ] || fail "the daemon waited for $(($(status_field page_faults) - faults)) pages"
decided=$(($(status_field decided) - decided))
say "decided $decided, page faults of the daemon that had to wait $faults"
[ $decided -gt $((20 * seconds)) ] || fail "userspace decided $decided times in $seconds s"
still_enabled "memory was short"
mus_stop
no_stall
