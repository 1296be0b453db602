# shellcheck shell=bash
# How everything is stopped, step by step; sourced by start_celery_production.sh.

# Sends the signal to the main process of each that still lives, and sets LIVING. A signal to the group would end the
# letters in the children's hands.
signal_each() { # SIGNAL NAME...
    local signal="$1" name
    LIVING=()
    shift
    for name in "$@"; do
        is_running "$name" || continue
        note_children "$name"
        LIVING+=("$name")
        kill "-$signal" "$PID" 2>/dev/null || ! is_running "$name" ||
            fail "$name (pid $PID) belongs to another user: stop it as $(stat -c %U -- "/proc/$PID") or as root."
    done
}

# Waits for those in LIVING, says who ended, and leaves there who did not.
await_end() { # SECONDS AFTER-WHAT
    local begin=$SECONDS name left
    while [ ${#LIVING[@]} -gt 0 ]; do
        left=()
        for name in "${LIVING[@]}"; do
            if is_running "$name"; then
                left+=("$name")
            else
                say "$name (pid $PID) ended after $2, within $((SECONDS - begin)) s."
            fi
        done
        LIVING=(${left[@]+"${left[@]}"})
        [ ${#LIVING[@]} -gt 0 ] && [ $((SECONDS - begin)) -lt "$1" ] || break
        sleep 0.2
    done
}

stop_all() {
    local name names
    mapfile -t names < <(noted)
    [ ${#names[@]} -gt 0 ] || { say "Nothing runs." && return 0; }
    for name in "${names[@]}"; do
        is_running "$name" || [ -z "$PID" ] ||
            say "$name: the pid file is stale (process $PID is gone or somebody else's); nothing was signalled."
    done
    signal_each TERM "${names[@]}"
    await_end "$STOP_SECONDS" SIGTERM
    if [ ${#LIVING[@]} -gt 0 ]; then
        say "Still there after $STOP_SECONDS s: ${LIVING[*]}. Sending SIGQUIT."
        signal_each QUIT "${LIVING[@]}"
        await_end "$QUIT_SECONDS" SIGQUIT
    fi
    if [ ${#LIVING[@]} -gt 0 ]; then
        say "Still there after $QUIT_SECONDS s more: ${LIVING[*]}. Sending SIGKILL; the sweep finds what they held."
        signal_each KILL "${LIVING[@]}"
        await_end 10 SIGKILL
    fi
    for name in "${names[@]}"; do
        end_orphans "$name"
    done
    [ ${#LIVING[@]} -eq 0 ] || fail "Not even SIGKILL ended ${LIVING[*]}: look at the machine."
    for name in "${names[@]}"; do
        rm -f -- "$RUN_DIR/$name.pid" "$RUN_DIR/$name.children"
    done
}

end_orphans() { # NAME
    local pid orphans patience
    for ((patience = 25; patience > 0; patience--)); do
        orphans="$(orphans_of "$1")"
        [ -n "$orphans" ] || return 0
        sleep 0.2
    done
    for pid in $orphans; do
        kill -KILL "$pid" 2>/dev/null
    done
    say "$1: its children $orphans had outlived it; they were killed."
}
