"""What the backups hold is read rightly, and a restore goes where it was asked to, or nowhere."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from infra.backups import NoBackup, holdings_from
from infra.nodes import backup
from infra.programs import backup as backup_program
from infra.programs import restore_drill
from infra.restoring import InvalidMoment, moment, restore_command
from infra.site import Site

NOW = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
SITE = Site.model_validate(
    {
        "site": {"name": "falcon.example", "operators": ["10.0.0.9"]},
        "nodes": {
            "one": {"address": "10.0.0.1", "roles": ["db"]},
            "two": {"address": "10.0.0.2", "roles": ["compute"]},
            "three": {"address": "10.0.0.3", "roles": ["web"]},
            "four": {"address": "10.0.0.4", "roles": ["compute"]},
        },
    }
)


def told(*stops: int, code: int = 0, message: str = "ok") -> str:
    """What pgBackRest says of backups that ended at these seconds."""
    backups = [
        {
            "label": f"at-{stop}",
            "type": "full",
            "error": False,
            "timestamp": {"start": stop - 3, "stop": stop},
            "info": {"size": 42_000_000, "repository": {"delta": 5_000_000}},
        }
        for stop in stops
    ]
    status = {"code": code, "message": message}
    return json.dumps([{"name": "falcon", "status": status, "db": [], "backup": backups}])


def test_the_newest_backup_is_the_last_one() -> None:
    held = holdings_from(told(1_000, 2_000))
    assert held.newest is not None
    assert held.newest.stopped_at == datetime.fromtimestamp(2_000, UTC)
    assert held.problem is None


def test_an_empty_repository_says_what_to_do() -> None:
    assert holdings_from("[]").problem == "no repository was made yet; run setup"
    held = holdings_from(told(code=2, message="no valid backups"))
    with pytest.raises(NoBackup, match="no valid backups"):
        held.require(None, NOW)


def test_a_moment_the_backups_do_not_lead_to_is_refused() -> None:
    held = holdings_from(told(int(NOW.timestamp()) - 3_600))
    held.require(NOW - timedelta(minutes=5), NOW)
    held.require(None, NOW)
    with pytest.raises(NoBackup, match="before the oldest backup"):
        held.require(NOW - timedelta(hours=2), NOW)
    with pytest.raises(NoBackup, match="in the future"):
        held.require(NOW + timedelta(seconds=1), NOW)


def test_a_time_is_taken_with_its_zone_only() -> None:
    eastern = datetime(2026, 11, 23, 9, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert moment("2026-11-23T09:30:00-05:00", NOW) == eastern
    assert moment("2026-11-23T14:30:00Z", NOW) == eastern
    assert moment("latest", NOW) is None
    with pytest.raises(InvalidMoment, match="say the zone"):
        moment("2026-11-23T09:30:00", NOW)
    with pytest.raises(InvalidMoment, match="half past nine: no time"):
        moment("half past nine", NOW)


def test_a_restore_to_a_moment_names_it_in_utc_and_opens_for_writing() -> None:
    command = restore_command(moment("2026-11-23T09:30:00.25-05:00", NOW))
    assert "--target='2026-11-23 14:30:00.250000+00'" in command
    assert "--target-action=promote" in command
    assert "--type" not in restore_command(None)


def test_each_end_takes_the_other_ends_certificate_only() -> None:
    assert "tls-server-auth=falcon-backup-two=falcon" in backup.configuration(SITE, "one")
    assert "tls-server-auth=falcon-backup-one=falcon" in backup.configuration(SITE, "two")
    assert [port.sources for port in backup.ports(SITE, "one")] == [("10.0.0.2",)]
    assert [port.sources for port in backup.ports(SITE, "two")] == [("10.0.0.1",)]


def test_only_the_first_compute_node_keeps_backups() -> None:
    assert "repo1-path=/var/lib/pgbackrest" in backup.configuration(SITE, "two")
    assert "repo1-path" not in backup.configuration(SITE, "one")
    for name in ("three", "four"):
        assert backup.units(SITE, name) == ()
        assert backup.ports(SITE, name) == ()


def test_on_one_machine_backups_need_no_network() -> None:
    alone = Site.model_validate(
        {
            "site": SITE.site.model_dump(),
            "nodes": {"all": {"address": "10.0.0.1", "roles": ["db", "compute", "web"]}},
        }
    )
    assert backup.ports(alone, "all") == ()
    written = backup.configuration(alone, "all")
    assert "host" not in written
    assert "repo1-path=/var/lib/pgbackrest" in written
    assert "tls-server" not in written


def test_a_failed_backup_keeps_the_time_of_the_last_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_program, "FOLDER", tmp_path)
    backup_program.leave_word("backup", True, "full backup", 3.21, "2026-11-23T03:30:03+00:00")
    backup_program.leave_word("backup", False, "ERROR: [082]", 60, "2026-11-24T03:31:00+00:00")
    word = json.loads((tmp_path / "backup.json").read_text())
    assert (word["ok"], word["detail"]) == (False, "ERROR: [082]")
    assert word["last_good_at"] == "2026-11-23T03:30:03+00:00"


def test_the_backup_program_runs_nothing_it_does_not_know() -> None:
    assert backup_program.command_for(["backup", "full"]) is not None
    assert backup_program.command_for(["check"]) is not None
    for arguments in ([], ["backup"], ["backup", "--type=full"], ["expire"]):
        assert backup_program.command_for(arguments) is None


def test_the_drill_finds_the_rows_a_copy_lacks() -> None:
    before = {"fills": 10, "manifest": 4, "orders": 0}
    assert restore_drill.lacking(before, {"fills": 11, "manifest": 4, "orders": 0}) == ""
    assert (
        restore_drill.lacking(before, {"fills": 9, "orders": 0})
        == "fills has 9 of 10 rows; manifest has 0 of 4 rows"
    )
