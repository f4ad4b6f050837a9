#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The demo runs to its end on a real kernel and says so in JSON. What the figures are is not asserted: ratios of
# short runs on a busy machine say nothing.
: "${MUS_SOURCE_DIR:?run by ctest -L vm}" "${MUS_BUILD_DIR:?run by ctest -L vm}"

for program in qemu-system-x86_64 busybox redis-server redis-benchmark stress-ng python3; do
    command -v "$program" >/dev/null || { echo "skipped: $program is not installed (run tools/setup)"; exit 77; }
done
[ -x "$MUS_BUILD_DIR/bin/mus-userland" ] || { echo "skipped: no $MUS_BUILD_DIR/bin/mus-userland"; exit 77; }

output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT
"$MUS_SOURCE_DIR/tools/demo" --build-dir "$MUS_BUILD_DIR" --kernel "${MUS_KERNEL:-6.18}" --seconds 3 --json >"$output" || {
    echo "tools/demo failed, status $?"
    cat "$output"
    exit 1
}
python3 - "$output" <<'END'
import json, sys
demo = json.load(open(sys.argv[1]))
assert demo["kernel"] and demo["cpus"] == 1, demo
assert [phase["name"] for phase in demo["phases"]] == ["eevdf", "mus-equal", "mus-favoured"], demo
for phase in demo["phases"]:
    assert phase["ops_per_s"] > 0 and 0 < phase["p50_ms"] <= phase["p99_ms"], phase
    assert abs(sum(phase["share"].values()) - 1) < 0.01, phase
    assert (phase["userland_decisions"] > 0) == (phase["name"] != "eevdf"), phase
END
