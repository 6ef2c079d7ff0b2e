"""Runs functions in processes of their own, in turns, and reports median times and the processes' median peak memory."""

import gc
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from falcon_pipelines.local.memory import peak_rss_mb


@dataclass(frozen=True)
class Measurement:
    """Medians over the repetitions; imports and what the function's `prepare` does are not timed.

    `cpu_seconds` is the time all threads computed: unlike `seconds` it says the same on a busy machine.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float


def measured(function: str, *arguments: str, repeat: int = 3) -> Measurement:
    """Times `module:function` with text arguments, each repetition in a fresh process.

    A function may be a generator: what it does before its first `yield` is preparation.
    """
    return in_turns([(function, *arguments)], repeat)[0]


def in_turns(tasks: Sequence[Sequence[str]], repeat: int = 3) -> tuple[Measurement, ...]:
    """Measures several tasks, each a function and its arguments, one after the other and again.

    What else the machine does meanwhile then weighs on all of them alike.
    """
    runs: list[list[Measurement]] = [[] for _ in tasks]
    for _ in range(repeat):
        for done, task in zip(runs, tasks, strict=True):
            done.append(_once(task))
    return tuple(
        Measurement(
            median(run.seconds for run in done),
            median(run.cpu_seconds for run in done),
            median(run.peak_mb for run in done),
        )
        for done in runs
    )


def _once(task: Sequence[str]) -> Measurement:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", *task], check=True, capture_output=True, text=True
    )
    return Measurement(**json.loads(done.stdout.splitlines()[-1]))


def _main(name: str, arguments: list[str]) -> None:
    module, function = name.split(":")
    steps = getattr(importlib.import_module(module), function)(*arguments)
    next(steps)
    # What the imports left behind is not collected, nor looked at again, on the clock.
    gc.collect()
    gc.freeze()
    started, computed = time.perf_counter(), time.process_time()
    next(steps, None)
    result = Measurement(time.perf_counter() - started, time.process_time() - computed, peak_rss_mb())
    sys.stdout.write(json.dumps(asdict(result)) + "\n")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
