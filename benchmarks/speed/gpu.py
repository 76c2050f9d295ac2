"""Advisor's speed on a GPU. Not run on one yet: written and tried with `--smoke` on a CPU only.

    python -m benchmarks.speed.gpu all [--pairs 5] [--data FOLDER] [--smoke]
    python -m benchmarks.speed.gpu padded training ceiling whole

`padded`: rows padded and continued in place against packed ones, and the memory of one long prompt. `training`: LoRA
steps against TRL's SFTTrainer. `ceiling`: share of the measured matrix-product speed of prefill and training, at random
weights in the shapes of Qwen2.5. `whole`: the whole comparison against a script with the libraries' defaults. Records
go to `gpu-<name>.json` beside the others, and from there into the table. No network is needed.
"""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.speed.__main__ import absent, parser, settle

PEERS: dict[str, tuple[str, ...]] = {
    "padded": (),
    "training": ("trl", "datasets"),
    "ceiling": (),
    "whole": ("lm_eval", "trl", "datasets"),
}
NAMES = tuple(PEERS)


def main() -> int:
    """Run what was asked for; exits with 2 where there is no GPU, except in a smoke run."""
    given = parser("python -m benchmarks.speed.gpu", __doc__ or "", NAMES).parse_args()
    names = list(NAMES) if given.names == ["all"] else given.names
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        print(f"error: there is no benchmark {unknown[0]!r}\n  try: {', '.join(NAMES)} or all", file=sys.stderr)
        return 2
    settle(given.threads)
    if not given.smoke and not import_module("torch").cuda.is_available():
        print("error: there is no GPU here that torch can use\n  try: --smoke, which a CPU can do", file=sys.stderr)
        return 2
    statuses = []
    for name in names:
        status = absent(name, PEERS[name], given.smoke)
        if status is None:
            job = import_module("benchmarks.speed.accelerated").JOBS[name]
            status = import_module("benchmarks.speed.record").keep(f"gpu-{name}", job, given)
        statuses.append(status)
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
