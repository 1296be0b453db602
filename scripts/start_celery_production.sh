#!/usr/bin/env bash
# Runs VashSender's Celery in production: the mail workers, the worker for `default`, and beat.
# docs/operations/production.md says how to live with it.
set -uo pipefail
umask 077
export PATH="${PATH:-/usr/bin:/bin}"

SELF="$(readlink -f -- "${BASH_SOURCE[0]}")"
ROOT="$(dirname -- "$(dirname -- "$SELF")")"
PYTHON="$ROOT/.venv/bin/python"
BOOT="$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
LOG_BYTES="${VASHSENDER_LOG_BYTES:-52428800}"
LOG_COUNT=5
READY_SECONDS=60
LOCK_SECONDS=90

usage() {
    cat <<'TEXT'
usage: scripts/start_celery_production.sh start|stop|restart|status|monitor|run NAME

  start    start the workers and beat that do not run yet
  stop     let every worker finish what it has in hand; then SIGQUIT, then SIGKILL
  restart  stop, then start
  status   what runs; exit 0 all, 1 not all, 3 nothing was started
  monitor  stay, and bring back what dies, until SIGTERM or `stop`
  run NAME one process in the foreground, for systemd or a container: mail, mail1, mail2, ..., default, beat

VASHSENDER_TIER (low, medium, high) sizes the workers. Logs are in VASHSENDER_LOG_DIR (/var/log/vashsender), pid files
in VASHSENDER_RUN_DIR (/run/vashsender where it exists, else run/ in the data folder). A log is rotated when it
exceeds VASHSENDER_LOG_BYTES (50 MB). As root only with VASHSENDER_ALLOW_ROOT=1.
TEXT
}

# --- What it says ----------------------------------------------------------------------------------------------------

say() {
    printf '%s\n' "$*"
    if [ -n "${LOG_DIR:-}" ] && [ -w "$LOG_DIR" ]; then
        printf '%s %s[%s] %s\n' "$(date '+%F %T')" "$VERB" "$$" "$*" >>"$LOG_DIR/celery.log"
    fi
} 2>/dev/null

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

for part in plan processes stopping watching; do
    # shellcheck source=/dev/null
    . "$ROOT/scripts/celery_production/$part.sh"
done

# --- start -----------------------------------------------------------------------------------------------------------

start_all() {
    local name fresh=() names=("${MAIL_WORKERS[@]}" default beat)
    rotate
    for name in $(noted); do
        [[ " ${names[*]} " == *" $name "* ]] || { is_running "$name" && names+=("$name"); }
    done
    printf '%s\n' "${names[@]}" >"$WANTED"
    for name in "${names[@]}"; do
        if is_running "$name"; then
            say "$name runs already (pid $PID)."
            continue
        fi
        [ -z "$PID" ] || say "$name: the pid file is stale (process $PID is gone or somebody else's); it is replaced."
        spawn "$name"
        fresh+=("$name")
    done
    [ ${#fresh[@]} -eq 0 ] || await_ready "${fresh[@]}"
}

# A worker is ready when its children are there; beat has none, and is looked at last.
await_ready() { # NAME...
    local name end=$((SECONDS + READY_SECONDS)) failed=0
    for name in "$@"; do
        while is_running "$name" && [ "$name" != beat ] && [ -z "$(children_of "$PID")" ] && [ $SECONDS -lt $end ]; do
            sleep 0.2
        done
        if ! is_running "$name"; then
            say "$name did not stay: $(log_of "$name") says why."
            failed=1
        elif [ "$name" = beat ] || [ -n "$(children_of "$PID")" ]; then
            note_children "$name"
            say "$name started (pid $PID)."
        else
            say "$name (pid $PID) lives, but has no children yet after $READY_SECONDS s: look at $(log_of "$name")."
            failed=1
        fi
    done
    return $failed
}

log_of() { # NAME
    if [ "$1" = beat ]; then echo "$LOG_DIR/celery_beat.log"; else echo "$LOG_DIR/celery_worker.log"; fi
}

# --- The commands ----------------------------------------------------------------------------------------------------

VERB="${1:-}"
case "$VERB" in
    start | stop | restart | status | monitor) [ $# -eq 1 ] || { usage >&2 && exit 2; } ;;
    run) [ $# -eq 2 ] && [[ $2 =~ ^(mail[0-9]*|default|beat)$ ]] || { usage >&2 && exit 2; } ;;
    -h | --help | help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
esac
load_plan
case "$VERB" in
    start)
        require_plan
        require_folders
        lock
        start_all
        ;;
    stop)
        [ -d "$RUN_DIR" ] || { say "Nothing runs." && exit 0; }
        lock
        rm -f -- "$WANTED"
        stop_all
        ;;
    restart)
        require_plan
        require_folders
        lock
        stop_all
        start_all
        ;;
    status) status ;;
    monitor)
        require_plan
        require_folders
        [ -f "$WANTED" ] || fail "Nothing was started that could be watched: run start first."
        is_running monitor && fail "A monitor runs already (pid $PID)."
        monitor
        ;;
    run)
        require_plan
        command_for "$2"
        cd -- "$ROOT" && exec "${COMMAND[@]}"
        ;;
esac
