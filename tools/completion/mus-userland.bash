# SPDX-License-Identifier: GPL-2.0-only
# Completion of mus-userland for bash.

_mus_userland() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $before in
        --policy) mapfile -t COMPREPLY < <(compgen -W 'vtime fifo' -- "$current") ;;
        --config | --socket | --state | --stats-json)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            ;;
        --socket-group) mapfile -t COMPREPLY < <(compgen -g -- "$current") ;;
        --set | --weight | --slice-us | --hold-us | --stall-ms | --orphan-sec | --stats | --max-tasks | --exit-dump-len | --chaos) ;;
        *)
            mapfile -t COMPREPLY < <(compgen -W '--help --version --config --policy --set --weight --slice-us --hold-us
                --stall-ms --cgroup-files --partial --replace --no-pin --orphan-sec --stats --stats-json --socket
                --socket-group --state --max-tasks --exit-dump-len --chaos --verbose' -- "$current")
            ;;
    esac
}

complete -F _mus_userland mus-userland
