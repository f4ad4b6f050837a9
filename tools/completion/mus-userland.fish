# SPDX-License-Identifier: GPL-2.0-only
# Completion of mus-userland for fish.

complete -c mus-userland -f
complete -c mus-userland -s h -l help -d 'help, with examples'
complete -c mus-userland -s V -l version -d version
complete -c mus-userland -l config -r -F -d 'flags from a TOML file'
complete -c mus-userland -l policy -x -a 'vtime fifo' -d 'who decides'
complete -c mus-userland -l set -x -d 'an option of the policy, NAME=VALUE'
complete -c mus-userland -l weight -x -d 'weight of a cgroup, CGROUP=WEIGHT'
complete -c mus-userland -l slice-us -x -d 'longest time that a task runs while others wait'
complete -c mus-userland -l hold-us -x -d 'how long a CPU waits for a decision'
complete -c mus-userland -l stall-ms -x -d 'after this long the kernel half schedules on alone'
complete -c mus-userland -l cgroup-files -d 'learn cgroups from tasks and cgroupfs'
complete -c mus-userland -s p -l partial -d 'only tasks of the class SCHED_EXT'
complete -c mus-userland -l replace -d 'take over from the one that runs, without a gap'
complete -c mus-userland -l no-pin -d 'the kernel half ends with this daemon'
complete -c mus-userland -l orphan-sec -x -d 'without a daemon the kernel half ends itself after this long'
complete -c mus-userland -l stats -x -d 'print figures every so many seconds'
complete -c mus-userland -l stats-json -r -F -d 'write all counters at the end'
complete -c mus-userland -l socket -r -F -d 'control socket'
complete -c mus-userland -l socket-group -x -a '(__fish_complete_groups)' -d 'who may use it besides root'
complete -c mus-userland -l state -r -F -d 'keeps the weights that were set'
complete -c mus-userland -l max-tasks -x -d 'tasks that userspace keeps'
complete -c mus-userland -l chaos -x -d 'harm done on purpose: drop=0.01,delay=5ms,stop=50ms/1s'
complete -c mus-userland -l exit-dump-len -x -d 'bytes of the dump after an error'
complete -c mus-userland -s v -l verbose -d 'say what happens'
