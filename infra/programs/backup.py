#!/usr/bin/python3
"""Takes a backup, or checks that the write-ahead log reaches the repository, and leaves word of it.

falcon-backup backup full|diff|incr      falcon-backup check

The word is a JSON file by kind in /var/lib/falcon-backup: ok, detail, seconds, at, last_good_at. The watchdog carries it
into the database, where pages and `falcon status` find it.
"""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

STANZA = "falcon"
FOLDER = Path(os.environ.get("FALCON_BACKUP_STATE", "/var/lib/falcon-backup"))


def command_for(arguments: list[str]) -> tuple[str, list[str]] | None:
    """The kind of word and pgBackRest's command line; None for arguments nobody knows."""
    if arguments == ["check"]:
        return "archiving", ["pgbackrest", f"--stanza={STANZA}", "check"]
    if len(arguments) == 2 and arguments[0] == "backup" and arguments[1] in ("full", "diff", "incr"):
        return "backup", ["pgbackrest", f"--stanza={STANZA}", f"--type={arguments[1]}", "backup"]
    return None


def reason_in(output: str) -> str:
    """The line of pgBackRest's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return next((line for line in lines if "ERROR" in line), lines[-1] if lines else "no message")


def leave_word(kind: str, ok: bool, detail: str, seconds: float, now: str) -> None:
    """Replace the file of this kind; the last good time stays when this one was not."""
    path = FOLDER / f"{kind}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    word = {
        "name": kind,
        "ok": ok,
        "detail": detail[:300],
        "seconds": round(seconds, 1),
        "at": now,
        "last_good_at": now if ok else before.get("last_good_at"),
    }
    part = path.with_suffix(".new")
    part.write_text(json.dumps(word) + "\n")
    part.chmod(0o644)
    part.replace(path)


def main() -> int:
    """Do it; exits 1 when it failed and 2 on arguments nobody knows."""
    found = command_for(sys.argv[1:])
    if found is None:
        return 2
    kind, command = found
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    ok = done.returncode == 0
    detail = f"{command[-2].removeprefix('--type=')} backup" if kind == "backup" else "the log is archived"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if not ok:
        detail = reason_in(done.stdout)
        print(detail, file=sys.stderr)
    seconds = time.monotonic() - began
    leave_word(kind, ok, detail, seconds, now)
    if ok and kind == "backup":
        # A backup waits until the log of it has arrived.
        leave_word("archiving", True, "the log of a backup arrived", seconds, now)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
