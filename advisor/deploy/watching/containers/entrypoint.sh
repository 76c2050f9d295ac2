#!/bin/sh
# Serves the row ADVISOR_SPEC of the run folder ADVISOR_RUN, on the model ADVISOR_MODEL if that is named.
set -eu
: "${ADVISOR_SERVE_KEY:?the key that callers have to send}"
: "${ADVISOR_SPEC:?the row that answers}"
run=${ADVISOR_RUN:-/run-folder}
if [ ! -f "$run/comparisons.jsonl" ]; then
    echo "error: $run: is no run folder" >&2
    echo "  try: mount the one that advisor compare wrote (ADVISOR_RUN in compose.yaml)" >&2
    exit 2
fi
if [ -n "${ADVISOR_MODEL:-}" ]; then
    set -- --model "$ADVISOR_MODEL" "$@"
fi
exec advisor serve "$run" "$ADVISOR_SPEC" --host "${ADVISOR_HOST:-0.0.0.0}" --port "${ADVISOR_PORT:-8000}" "$@"
