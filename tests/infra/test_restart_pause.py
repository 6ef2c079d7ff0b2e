"""What falls over again and again is started less and less often; what fell once comes back at once."""

import os
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "infra" / "programs" / "restart_pause.sh"


class Machine:
    """systemctl and sleep of a machine whose unit was restarted so often; `slept` is what the pauses came to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.restarts = 0
        self._tool("systemctl", 'cat "$MACHINE/restarts"')
        self._tool("sleep", 'echo "$1" >> "$MACHINE/slept"')
        text = PROGRAM.read_text().replace("/run/falcon-restarts", str(folder / "run"))
        (folder / "program").write_text(text.replace("/proc/uptime", str(folder / "uptime")))

    def _tool(self, name: str, does: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (self.folder / name).chmod(0o755)

    def starts(self, uptime: int) -> int:
        """The unit is started at this time; how long it has to wait."""
        (self.folder / "restarts").write_text(str(self.restarts))
        (self.folder / "uptime").write_text(f"{uptime}.25 1.0\n")
        (self.folder / "slept").write_text("")
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "MACHINE": str(self.folder)}
        subprocess.run(["sh", str(self.folder / "program"), "one.service"], env=environment, check=True)
        self.restarts += 1
        return sum(int(line) for line in (self.folder / "slept").read_text().split())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_pauses_double_up_to_twenty_seconds(machine: Machine) -> None:
    assert [machine.starts(1000 + 10 * turn) for turn in range(9)] == [0, 0, 1, 2, 4, 8, 16, 20, 20]


def test_a_unit_that_ran_for_a_while_begins_anew(machine: Machine) -> None:
    assert [machine.starts(uptime) for uptime in (1000, 1010, 1020, 1030, 1400, 1410)] == [0, 0, 1, 2, 0, 1]


def test_a_person_who_starts_it_does_not_wait(machine: Machine) -> None:
    assert [machine.starts(1000 + 10 * turn) for turn in range(5)][-1] == 4
    machine.restarts = 0
    assert machine.starts(1060) == 0
    assert machine.starts(1070) == 0
