# SPDX-License-Identifier: GPL-2.0-only
# Completion of musctl for fish.

function __musctl_cgroups
    set -l mount (awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
    test -n "$mount"; or return
    set -l typed (commandline -ct)
    if not string match -q '/*' -- $typed
        printf '%s\n' / id: pid:
        return
    end
    # One level at a time, as files are completed.
    for folder in $mount(string replace -r '[^/]*$' '' -- $typed)*/
        string replace -- $mount '' (string trim -r -c / -- $folder)
    end
end

function __musctl_policies
    set -l names (musctl policy list 2>/dev/null | awk 'NR > 1 { print $1 }')
    test -n "$names"; or set names vtime fifo
    printf '%s\n' $names
end

# The words of the command line without flags are these.
function __musctl_at
    set -l words
    set -l skip no
    for word in (commandline -opc)[2..]
        if test $skip = yes
            set skip no
        else if contains -- $word --socket --for --set --interval
            set skip yes
        else if not string match -q -- '-*' $word
            set -a words $word
        end
    end
    test "$words" = "$argv"
end

function __musctl_in
    set -l words (commandline -opc)
    for word in $argv
        contains -- $word $words; or return 1
    end
end

complete -c musctl -f
complete -c musctl -s h -l help -d 'Print help'
complete -c musctl -s V -l version -d 'Print the version'
complete -c musctl -l socket -r -F -d 'Where mus-userland listens'
complete -c musctl -l json -d 'Print the answer as it came'

complete -c musctl -n '__musctl_at' -a status -d 'Mode, policy, daemon, tasks and counters'
complete -c musctl -n '__musctl_at' -a stats -d 'What happened over the last second'
complete -c musctl -n '__musctl_at' -a top -d 'The tree of cgroups, live'
complete -c musctl -n '__musctl_at' -a weight -d 'Weights of cgroups'
complete -c musctl -n '__musctl_at' -a policy -d 'Who decides'
complete -c musctl -n '__musctl_at' -a doctor -d 'What on this machine helps or hinders mus'
complete -c musctl -n '__musctl_at' -a hello -d 'Versions of the daemon and of the protocol'

complete -c musctl -n '__musctl_at weight' -a set -d 'Give a cgroup a weight'
complete -c musctl -n '__musctl_at weight' -a get -d 'The weight of a cgroup'
complete -c musctl -n '__musctl_at weight' -a list -d 'The weights set through mus'
complete -c musctl -n '__musctl_at weight' -a unset -d 'Let cpu.weight count again'
for command in set get unset
    complete -c musctl -n "__musctl_at weight $command" -a '(__musctl_cgroups)' -d cgroup
end
complete -c musctl -n '__musctl_in weight set' -l for -x -a '30s 5m 1h 1h30m' -d 'Unset it by itself after this long'
complete -c musctl -n '__musctl_in weight list' -l all -d 'Those of all cgroups'

complete -c musctl -n '__musctl_at policy' -a list -d 'The policies there are'
complete -c musctl -n '__musctl_at policy' -a show -d 'Options and values'
complete -c musctl -n '__musctl_at policy' -a use -d 'Replace the policy, under load'
complete -c musctl -n '__musctl_at policy show; or __musctl_at policy use' -a '(__musctl_policies)' -d policy
complete -c musctl -n '__musctl_in policy use' -l set -x -d 'An option of the new policy, key=value'

complete -c musctl -n '__musctl_in top' -l interval -x -a '0.5 1 2 5' -d 'Seconds between snapshots'
complete -c musctl -n '__musctl_in top' -l once -d 'Print one snapshot as text'
