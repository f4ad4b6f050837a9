# SPDX-License-Identifier: GPL-2.0-only
# Completion of musctl for bash. Needs nothing but bash: source it, or install it where bash-completion looks.

# Where cgroup v2 is mounted.
_musctl_cgroup_mount() {
    local device path type rest
    while read -r device path type rest; do
        [[ $type == cgroup2 ]] && printf '%s\n' "$path" && return
    done </proc/self/mounts
}

# Names of policies, from the daemon; those that every mus has, if it does not answer.
_musctl_policies() {
    local names
    names=$(musctl policy list 2>/dev/null | awk 'NR > 1 { print $1 }')
    printf '%s\n' "${names:-vtime fifo}"
}

# One level of cgroups below what has been typed, as file names are completed.
_musctl_complete_cgroup() {
    local current=$1 mount folder name
    # What the user typed is quoted for the shell; systemd's names have backslashes.
    current=${current//\\\\/\\}
    mount=$(_musctl_cgroup_mount)
    if [[ -z $current || ($current != /* && (id: == "$current"* || pid: == "$current"*)) ]]; then
        mapfile -t COMPREPLY < <(compgen -W '/ id: pid:' -- "$current")
        compopt -o nospace 2>/dev/null
        return
    fi
    [[ $current == /* && -n $mount ]] || return
    for folder in "$mount$current"*/; do
        [[ -d $folder ]] || continue
        name=${folder#"$mount"}
        COMPREPLY+=("${name%/}")
    done
    compopt -o filenames 2>/dev/null
    # A cgroup with others below it: the next key is probably a slash, not a blank.
    if ((${#COMPREPLY[@]} == 1)) && compgen -G "$mount${COMPREPLY[0]}/*/" >/dev/null; then
        compopt -o nospace 2>/dev/null
    fi
}

_musctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word words=() i
    local flags='--help --socket --json'
    COMPREPLY=()
    # The command and its arguments so far, without flags and their values.
    for ((i = 1; i < COMP_CWORD; ++i)); do
        word=${COMP_WORDS[i]}
        case $word in
            --socket | --for | --set | --interval) ((++i)) ;;
            -*) ;;
            *) words+=("$word") ;;
        esac
    done
    case $previous in
        --socket)
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            compopt -o filenames 2>/dev/null
            return
            ;;
        --for) mapfile -t COMPREPLY < <(compgen -W '30s 5m 1h 1h30m' -- "$current") && return ;;
        --interval) mapfile -t COMPREPLY < <(compgen -W '0.5 1 2 5' -- "$current") && return ;;
        --set) return ;;
    esac
    case "${words[*]}" in
        '') flags="$flags --version" && word='status stats top weight policy doctor hello' ;;
        weight) word='set get list unset' ;;
        policy) word='list show use' ;;
        'weight set' | 'weight get' | 'weight unset')
            if [[ $current != -* ]]; then
                _musctl_complete_cgroup "$current"
                return
            fi
            word=
            ;;
        'weight set '*) flags="$flags --for" && word='100 200 400 +50% -25% x2' ;;
        'policy show' | 'policy use') word=$(_musctl_policies) ;;
        *) word= ;;
    esac
    case "${words[*]}" in
        'weight set') flags="$flags --for" ;;
        'weight list') flags="$flags --all" ;;
        'policy use'*) flags="$flags --set" ;;
        top) flags="$flags --interval --once" ;;
    esac
    if [[ $current == -* && $current != -[0-9]* ]]; then word=$flags; fi
    # Four words at most after "weight set": the cgroup and the weight.
    ((${#words[@]} < 4)) || [[ $current == -* ]] || return 0
    mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
}

complete -F _musctl musctl
