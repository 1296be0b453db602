# shellcheck shell=bash
# What runs, and how what died comes back; sourced by start_celery_production.sh.

status() {
    local name names dead=0
    mapfile -t names < <(noted)
    for name in ${names[@]+"${names[@]}"}; do
        if is_running "$name"; then
            printf '%-9s runs   pid %s, since %s, children: %s\n' "$name" "$PID" \
                "$(date -r "$RUN_DIR/$name.pid" '+%F %T')" "$(children_of "$PID" | wc -w)"
        else
            printf '%-9s dead   %s\n' "$name" "${PID:+its process $PID is gone; }see $(log_of "$name")"
            dead=1
        fi
    done
    if is_running monitor; then printf '%-9s runs   pid %s\n' monitor "$PID"; else printf '%-9s off\n' monitor; fi
    echo "Tier ${TIER:-unknown}. Logs in $LOG_DIR, pid files in $RUN_DIR."
    [ -z "$PROBLEM" ] || echo "Nothing can be started: $PROBLEM"
    [ -f "$WANTED" ] || { echo "Nothing was started." && return 3; }
    return $dead
}

# The watching is done by a process of its own, and this one only waits for it: bash 5.2 may lose its way, "unexpected EOF
# while looking for matching )", where a trap runs in the middle of a command substitution.
monitor() {
    local ends="" watcher
    note_process monitor $$
    rm -f -- "$RUN_DIR/monitor.ends"
    trap 'ends=1' TERM INT HUP
    watch_over & watcher=$!
    while [ -z "$ends" ] && kill -0 $watcher 2>/dev/null; do wait $watcher; done
    trap '' TERM INT HUP
    : >"$RUN_DIR/monitor.ends"
    wait $watcher
    rm -f -- "$RUN_DIR/monitor.pid" "$RUN_DIR/monitor.ends"
    if [ -n "$ends" ]; then say "The monitor ends; the workers go on."; else say "Stopped; nothing is left to watch."; fi
}

# Until everything is stopped, or the monitor ends or is gone.
watch_over() {
    local name
    declare -A due=() pause=() revived=()
    trap '' INT HUP
    say "Watching $(wanted | tr '\n' ' ')from $RUN_DIR."
    while [ -f "$WANTED" ] && [ ! -f "$RUN_DIR/monitor.ends" ] && kill -0 $$ 2>/dev/null; do
        rotate
        for name in $(wanted); do
            if is_running "$name"; then
                note_children "$name"
                due[$name]=""
                [ $((SECONDS - ${revived[$name]:-$SECONDS})) -lt 60 ] || pause[$name]=0
                continue
            fi
            # At once the first time, then after 1, 2, 4, ... 60 s, until it has lived for a minute.
            : "${due[$name]:=$((SECONDS + ${pause[$name]:-0}))}"
            if [ $SECONDS -ge "${due[$name]}" ] && revive "$name"; then
                pause[$name]=$((${pause[$name]:-0} * 2))
                [ "${pause[$name]}" -gt 0 ] || pause[$name]=1
                [ "${pause[$name]}" -le 60 ] || pause[$name]=60
                due[$name]="" revived[$name]=$SECONDS
            fi
        done
        sleep 1
    done
}

# Starts one process again; false while somebody else is at work on the same folder.
revive() { # NAME
    (
        flock -n 9 || exit 1
        # A stop or restart may have come first.
        [ -f "$WANTED" ] && ! is_running "$1" || exit 0
        load_plan
        if [ -n "$PROBLEM" ]; then
            say "$1 (pid ${PID:-unknown}) died and cannot be started again: $PROBLEM"
            exit 0
        fi
        died="${PID:-unknown}"
        spawn "$1"
        is_running "$1"
        say "$1 (pid $died) died; started again (pid $PID). Its last words are in $(log_of "$1")."
    ) 9>"$RUN_DIR/lock"
}
