# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Starting, finding and stopping the two daemons in the background. Sourced by deploy/quickstart, which sets `home`
# (the state), `programs` (the directory of the binaries) and `lock` (a descriptor that daemons must not inherit).
#
# $home/run/NAME.pid holds: pid, start time of the process (field 22 of /proc/PID/stat), identity of the binary, and
# the arguments. Pid and start time together name one process for good, so a pid used again is never mistaken.
# shellcheck disable=SC2154

start_time_of() {
    # The command in field 2 may contain spaces and parentheses: count from its last ')'.
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    printf '%s' "${20}"
}

binary_identity() { stat -L -c '%i:%s:%Y' "$programs/$1" 2>/dev/null; }

# The name of the program that a process runs; nothing for one that is gone or a zombie.
program_of() {
    local executable
    executable=$(readlink "/proc/$1/exe" 2>/dev/null) || return 0
    executable=${executable% (deleted)}
    printf '%s' "${executable##*/}"
}

# Prints the pid of a daemon that this home has started and that still runs; nothing otherwise.
daemon_pid() {
    local file=$home/run/$1.pid pid started
    [[ -r $file ]] || return 0
    { read -r pid && read -r started; } <"$file" || return 0
    [[ $pid =~ ^[0-9]+$ && $(start_time_of "$pid") == "$started" && $(program_of "$pid") == "$1" ]] || return 0
    printf '%s' "$pid"
}

# True when the daemon runs from the binary as it is now, with these arguments.
daemon_runs() {
    local name=$1 recorded
    shift
    [[ -n $(daemon_pid "$name") ]] || return 1
    recorded=$(tail -n +3 "$home/run/$name.pid")
    [[ $recorded == "$(binary_identity "$name")"$'\n'"$*" ]]
}

exit_on_signals() {
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

start_daemon() {
    local name=$1 log=$home/log/$1.log pid interrupted=
    shift
    say "Starting $name ($log)"
    printf -- '--- %s: %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$name" "$*" >>"$log"
    # A signal waits until the pid file is there, or nobody could stop what was just started.
    trap 'interrupted=130' INT
    trap 'interrupted=143' TERM
    # A session of its own: neither Ctrl-C nor the end of this terminal reaches it. setsid(1) forks only when it
    # leads a process group, which a background job of a script does not, so $! is the daemon.
    setsid "$programs/$name" "$@" </dev/null >>"$log" 2>&1 {lock}>&- &
    pid=$!
    disown "$pid"
    # Until execve it is a copy of this shell, which is not yet what daemon_pid looks for.
    while [[ -d /proc/$pid && $(program_of "$pid") =~ ^(bash|setsid)$ ]]; do sleep 0.01; done
    printf '%s\n%s\n%s\n%s\n' "$pid" "$(start_time_of "$pid" || echo 0)" "$(binary_identity "$name")" "$*" \
        >"$home/run/$name.pid"
    exit_on_signals
    [[ -z $interrupted ]] || exit "$interrupted"
}

# Runs a command until it succeeds. $1: the command; $2: seconds.
wait_until() {
    local deadline=$((SECONDS + $2))
    until "$1"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# Waits for a daemon's own sign of readiness; ends with its last log lines when it dies or takes too long.
wait_for_daemon() {
    local name=$1 ready=$2 deadline=$((SECONDS + $3)) pid
    pid=$(head -n 1 "$home/run/$name.pid")
    until "$ready"; do
        if [[ ! -d /proc/$pid ]]; then
            show_log "$name"
            die "$name ended before it was ready; its last lines stand above"
        fi
        if ((SECONDS >= deadline)); then
            show_log "$name"
            die "$name is not ready after $3 s; its last lines stand above"
        fi
        sleep 0.1
    done
}

show_log() {
    tail -n 15 "$home/log/$1.log" | sed "s/^/    $1: /" >&2
}

# Asks a daemon to stop and waits until it has. $2: seconds before it is killed.
stop_daemon() {
    local name=$1 deadline=$((SECONDS + $2)) pid
    pid=$(daemon_pid "$name")
    if [[ -z $pid ]]; then
        rm -f "$home/run/$name.pid"
        return 0
    fi
    say "Stopping $name (pid $pid)"
    kill -TERM "$pid" 2>/dev/null || true
    while [[ -n $(daemon_pid "$name") ]]; do
        if ((SECONDS >= deadline)); then
            say "$name did not stop within $2 s; killing it"
            kill -KILL "$pid" 2>/dev/null || true
            deadline=$((SECONDS + 5))
        fi
        sleep 0.05
    done
    rm -f "$home/run/$name.pid"
}

# Ends with the name of the process when somebody else listens on the port. $1: daemon; $2: port; $3: the option.
require_port_free_for() {
    local hex inode inodes holder process own
    own=$(daemon_pid "$1")
    printf -v hex '%04X' "$2"
    # Column 2 is the local address, 4 the state (0A is LISTEN), 10 the socket's inode: proc_net_tcp.txt of Linux.
    inodes=$(awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null || true)
    for inode in $inodes; do
        holder=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" -print -quit 2>/dev/null || true)
        process=$(cut -d/ -f3 <<<"$holder")
        [[ -n $own && $process == "$own" ]] && continue
        if [[ -n $process ]]; then
            die "port $2 is taken by process $process ($(tr '\0' ' ' <"/proc/$process/cmdline" | cut -c 1-80)); stop it or choose another port with $3"
        fi
        die "port $2 is taken by a process of another user; choose another port with $3"
    done
}
