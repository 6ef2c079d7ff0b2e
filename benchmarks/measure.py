"""Runs a function in processes of its own and reports its median time and the processes' median peak memory."""

import importlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from falcon_pipelines.local.memory import peak_rss_mb


@dataclass(frozen=True)
class Measurement:
    """Medians over the repetitions; imports and what the function's `prepare` does are not timed."""

    seconds: float
    peak_mb: float


def measured(function: str, *arguments: str, repeat: int = 3) -> Measurement:
    """Times `module:function` with text arguments, each repetition in a fresh process.

    A function may be a generator: what it does before its first `yield` is preparation.
    """
    seconds, peaks = [], []
    for _ in range(repeat):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.measure", function, *arguments],
            check=True,
            capture_output=True,
            text=True,
        )
        result = json.loads(done.stdout.splitlines()[-1])
        seconds.append(result["seconds"])
        peaks.append(result["peak_mb"])
    return Measurement(median(seconds), median(peaks))


def _main(name: str, arguments: list[str]) -> None:
    module, function = name.split(":")
    steps = getattr(importlib.import_module(module), function)(*arguments)
    next(steps)
    started = time.perf_counter()
    next(steps, None)
    seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_mb": peak_rss_mb()}) + "\n")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
