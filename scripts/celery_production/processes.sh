# shellcheck shell=bash
# Processes told apart by number and beginning, their notes, and their logs; sourced by start_celery_production.sh.

# Prints what tells this process from a later one with the same number; nothing for one that is gone or a zombie.
birth_of() { # PID
    local stat fields
    { stat="$(<"/proc/$1/stat")"; } 2>/dev/null || return 0
    read -r -a fields <<<"${stat##*) }" # the name before the last bracket may hold spaces (proc(5))
    [[ ${fields[0]:-Z} == [ZX] ]] || printf '%s %s' "${fields[19]}" "$BOOT"
}

note_process() { # NAME PID
    printf '%s\n%s\n' "$2" "$(birth_of "$2")" >"$RUN_DIR/.$1.pid.$$" && mv -f -- "$RUN_DIR/.$1.pid.$$" "$RUN_DIR/$1.pid"
}

# Sets PID and BIRTH; true while the very process lives that was noted, and belongs to the one who noted it.
is_running() { # NAME
    local file="$RUN_DIR/$1.pid"
    PID="" BIRTH=""
    [ -f "$file" ] && { read -r PID && read -r BIRTH; } <"$file"
    [[ $PID =~ ^[1-9][0-9]*$ ]] && [ -n "$BIRTH" ] && [ "$(birth_of "$PID")" = "$BIRTH" ] || return 1
    [ "$(stat -c %u -- "$file" 2>/dev/null)" = "$(stat -c %u -- "/proc/$PID" 2>/dev/null)" ]
}

children_of() { # PID
    cat "/proc/$1/task/$1/children" 2>/dev/null
}

# Keeps the numbers of a worker's children, for the case that it dies without them.
note_children() { # NAME
    local child
    for child in $(children_of "$PID"); do
        printf '%s %s\n' "$child" "$(birth_of "$child")"
    done >"$RUN_DIR/.$1.children.$$" && mv -f -- "$RUN_DIR/.$1.children.$$" "$RUN_DIR/$1.children"
}

orphans_of() { # NAME
    local child birth
    [ -f "$RUN_DIR/$1.children" ] || return 0
    while read -r child birth; do
        [ -n "$birth" ] && [ "$(birth_of "$child")" = "$birth" ] && printf '%s ' "$child"
    done <"$RUN_DIR/$1.children"
}

# A session of its own outlives the terminal. A shell's background processes ignore SIGINT and SIGQUIT, and so would
# whatever they become.
LAUNCH='
import os, signal, sys
os.setsid()
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])'

# The lock (9) stays ours.
spawn() { # NAME
    local name="$1" log="$LOG_DIR/celery_worker.log"
    [ "$name" = beat ] && log="$LOG_DIR/celery_beat.log"
    command_for "$name"
    (cd -- "$ROOT" && exec "$PYTHON" -c "$LAUNCH" "${COMMAND[@]}" </dev/null >>"$log" 2>&1 9>&-) &
    note_process "$name" $!
    disown $!
}

wanted() {
    [ -f "$WANTED" ] && cat -- "$WANTED"
}

noted() { # all that is wanted or has a pid file
    {
        wanted
        for file in "$RUN_DIR"/*.pid; do [ -f "$file" ] && basename -- "$file" .pid; done
    } | grep -vx monitor | sort -u
}

lock() {
    exec 9>"$RUN_DIR/lock" || fail "The lock $RUN_DIR/lock cannot be written to: use the user who started, or root."
    flock -w "$LOCK_SECONDS" 9 || fail "Another start, stop or restart is still at work: try again when it has ended."
}

# Copies and truncates, because the processes keep their files open; they append, so they go on at the new end.
rotate() {
    local log number
    for log in "$LOG_DIR"/celery.log "$LOG_DIR"/celery_worker.log "$LOG_DIR"/celery_beat.log; do
        [ "$(stat -c %s -- "$log" 2>/dev/null || echo 0)" -gt "$LOG_BYTES" ] || continue
        cp -- "$log" "$log.new" || { rm -f -- "$log.new" && continue; }
        for ((number = LOG_COUNT - 1; number >= 1; number--)); do
            [ -f "$log.$number" ] && mv -f -- "$log.$number" "$log.$((number + 1))"
        done
        mv -f -- "$log.new" "$log.1" && : >"$log"
    done
}
