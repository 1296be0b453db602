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

monitor() {
    local name ends="" nap
    declare -A due=() pause=() revived=()
    note_process monitor $$
    trap 'ends=1' TERM INT HUP
    say "Watching $(wanted | tr '\n' ' ')from $RUN_DIR."
    while [ -z "$ends" ] && [ -f "$WANTED" ]; do
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
        # In the background, so that a signal ends the wait.
        sleep 1 & nap=$!
        wait $nap
        kill $nap 2>/dev/null
    done
    rm -f -- "$RUN_DIR/monitor.pid"
    if [ -n "$ends" ]; then say "The monitor ends; the workers go on."; else say "Stopped; nothing is left to watch."; fi
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
