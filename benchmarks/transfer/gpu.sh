#!/bin/sh
# Runs the comparison on one GPU within a time limit, on a machine that can fetch nothing.
#
#     sh benchmarks/transfer/gpu.sh offline-80.zip results 8 12
#     sh benchmarks/transfer/gpu.sh offline-80.zip results 8 12 --seeds 3 4   # more of grid's options
#
# BUNDLE   the pictures: python -m transfer bundle --path OFFLINE --recipe resnet18 --out BUNDLE
# OUT      folder; finished runs go to OUT/runs.jsonl, a line each, and are not run again
# MINUTES  for all of it
# JOBS     runs at a time, each a process with its share of the cores
#
# WHEELS=FOLDER installs what the machine lacks from there, into a folder of its own. RUNS=FOLDER says
# where weights and checkpoints lie: keep it, and unfinished runs go on from their last epoch. Without
# it they are lost, and no run is begun that is not likely to be finished in time.
set -eu
if [ $# -lt 4 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 2
fi
bundle=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
minutes=$3
jobs=$4
shift 4
began=$(date +%s)
root=$(realpath "$(dirname "$0")/../..")
if [ -z "${RUNS:-}" ]; then
    RUNS=$(mktemp -d)
    set -- --whole "$@"
fi
PYTHONPATH="$root:$root/benchmarks${PYTHONPATH:+:$PYTHONPATH}"
if [ -n "${WHEELS:-}" ]; then
    site=$(mktemp -d)
    python3 -m pip install -q --no-index --no-deps --no-compile --target "$site" "$WHEELS"/*.whl
    PYTHONPATH="$PYTHONPATH:$site"
fi
export PYTHONPATH
setting="--data offline-webp --recipe resnet18 --runs $RUNS"
# A part of a minute is left for writing down what is finished.
left=$(awk "BEGIN { print $minutes - ($(date +%s) - $began) / 60 - 0.4 }")
code=0
# shellcheck disable=SC2086 # several words
python3 -m transfer grid $setting --path "$bundle" --jobs "$jobs" --minutes "$left" \
    --published "$out/runs.jsonl" "$@" || code=$?
# shellcheck disable=SC2086
python3 -m transfer publish $setting --out "$out/runs.jsonl"
if [ "$code" -ne 0 ] && [ "$code" -ne 75 ]; then
    # The end of every failed run's log, since its folder stays behind.
    tail -n 20 "$RUNS"/*/*/log.txt > "$out/failed.txt" 2> /dev/null || true
    exit "$code"
fi
