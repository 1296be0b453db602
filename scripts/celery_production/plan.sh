# shellcheck shell=bash
# What the settings want to run, and where; sourced by start_celery_production.sh.

# Reads the settings. A problem is kept for those who want to start something: `stop` works without settings too.
load_plan() {
    PROBLEM="" TIER="" MAIL_WORKERS=() POOL_OPTIONS=() STOP_SECONDS=330 QUIT_SECONDS=30 RUN_DIR="" LOG_DIR=""
    local line answer
    if [ ! -x "$PYTHON" ]; then
        PROBLEM="There is no .venv in $ROOT: run python3 scripts/bootstrap.py install there."
    elif ! answer="$(cd -- "$ROOT" && "$PYTHON" -m core.installation.production_plan 2>&1)"; then
        PROBLEM="The settings could not be read: ${answer##*$'\n'}"
    else
        while IFS= read -r line; do
            case "$line" in
                run_dir=*) RUN_DIR="${line#*=}" ;;
                log_dir=*) LOG_DIR="${line#*=}" ;;
                tier=*) TIER="${line#*=}" ;;
                mail_worker=*) MAIL_WORKERS+=("${line#*=}") ;;
                option=*) POOL_OPTIONS+=("${line#*=}") ;;
                environment=*) export VASHSENDER_ENV="${line#*=}" ;;
                stop_seconds=*) STOP_SECONDS="${line#*=}" ;;
                quit_seconds=*) QUIT_SECONDS="${line#*=}" ;;
                problem=*) PROBLEM="${PROBLEM:-${line#*=}}" ;;
            esac
        done <<<"$answer"
    fi
    if [ -z "$RUN_DIR" ]; then
        RUN_DIR="${VASHSENDER_DATA:-$ROOT/var}/run"
        [ -d /run/vashsender ] && RUN_DIR=/run/vashsender
        RUN_DIR="${VASHSENDER_RUN_DIR:-$RUN_DIR}"
    fi
    LOG_DIR="${LOG_DIR:-${VASHSENDER_LOG_DIR:-/var/log/vashsender}}"
    WANTED="$RUN_DIR/wanted"
}

require_plan() {
    [ -z "$PROBLEM" ] || fail "$PROBLEM"
    if [ "$(id -u)" = 0 ] && [ "${VASHSENDER_ALLOW_ROOT:-}" != 1 ]; then
        fail "Workers are not run as root: start as a user of their own (runuser -u vashsender -- ...), or set" \
            "VASHSENDER_ALLOW_ROOT=1."
    fi
}

require_folder() { # FOLDER WHAT VARIABLE
    mkdir -p -- "$1" 2>/dev/null
    [ -d "$1" ] && [ -w "$1" ] && [ -x "$1" ] && return
    fail "The folder for $2, $1, cannot be written to: make it for the user $(id -un), or set $3 to another."
}

require_folders() {
    require_folder "$LOG_DIR" logs VASHSENDER_LOG_DIR
    require_folder "$RUN_DIR" "pid files" VASHSENDER_RUN_DIR
    [[ $LOG_BYTES =~ ^[1-9][0-9]*$ ]] || fail "VASHSENDER_LOG_BYTES is '$LOG_BYTES'; it has to be a number."
    [ -n "$BOOT" ] || fail "There is no /proc here, so processes could not be told apart: use Linux."
}

# Sets COMMAND. Signals and prefetch need no options: the settings say them.
command_for() { # NAME
    COMMAND=("$PYTHON" -m celery -q -A core)
    case "$1" in
        beat) COMMAND+=(beat --pidfile=) ;;
        default) COMMAND+=(worker --queues=default --hostname=default@%h --concurrency=1) ;;
        *) COMMAND+=(worker --queues=campaigns,email "--hostname=$1@%h" "${POOL_OPTIONS[@]}") ;;
    esac
    [ "$1" = beat ] || COMMAND+=(--without-gossip --without-mingle)
}
