"""How a dashboard decides to let people in: what is safe to open, and where its key comes from."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from falcon_pipelines.dashboard.access.policy import NoSessionKey, UnsafeLogin, policy_from
from falcon_pipelines.dashboard.access.sessions import Sessions
from falcon_pipelines.dashboard.access.throttle import Patience, network_of
from falcon_pipelines.settings import Settings


def test_the_key_is_made_once_for_its_user_only(tmp_path: Path) -> None:
    first = policy_from(Settings(home=tmp_path))
    assert len(first.session_key) >= 48
    assert stat.S_IMODE((tmp_path / "session.key").stat().st_mode) == 0o600
    assert policy_from(Settings(home=tmp_path)).session_key == first.session_key
    assert policy_from(Settings(home=tmp_path / "other")).session_key != first.session_key
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "session.key"]


def test_a_given_key_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    assert policy_from(Settings(home=tmp_path, session_key="s" * 40)).session_key == "s" * 40
    assert list(tmp_path.iterdir()) == []


def test_a_broken_key_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "session.key").write_text("short\n")
    with pytest.raises(NoSessionKey, match="too short"):
        policy_from(Settings(home=tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(NoSessionKey, match="FALCON_SESSION_KEY"):
        policy_from(Settings(home=tmp_path))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_without_login_only_this_machine_is_served(tmp_path: Path, host: str) -> None:
    assert not policy_from(Settings(home=tmp_path, dashboard_login="off", host=host)).login


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "falcon.example", ""])
def test_without_login_no_other_machine_is_served(tmp_path: Path, host: str) -> None:
    with pytest.raises(UnsafeLogin, match="falcon user add"):
        policy_from(Settings(home=tmp_path, dashboard_login="off", host=host))


def test_waits_double_are_bounded_and_end() -> None:
    patience = Patience(free=2, first_wait=10, longest=60)
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    failures: list[datetime] = []
    waits = []
    for _ in range(7):
        now += timedelta(seconds=patience.wait(failures, now))
        failures.append(now)
        waits.append(patience.wait(failures, now))
    assert waits == [0, 10, 20, 40, 60, 60, 60]
    assert patience.wait(failures, now + timedelta(seconds=20)) == 40
    assert patience.wait([], now) == 0
    now += timedelta(seconds=3601)
    assert patience.wait([*failures, now], now) == 0


def test_one_network_is_one_guesser() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1")
    assert network_of("10.0.0.1") != network_of("10.0.0.2")


def test_form_tokens_differ_each_time_and_belong_to_one_session() -> None:
    sessions = Sessions("k" * 40)
    tokens = {sessions.token("a") for _ in range(20)}
    assert len(tokens) == 20
    assert all(sessions.is_token(token, "a") for token in tokens)
    token = sessions.token("a")
    for wrong in (None, "", ".", token[:-1], token.upper(), "é.é", sessions.token("b")):
        assert not sessions.is_token(wrong, "a")
    assert not Sessions("l" * 40).is_token(token, "a")
