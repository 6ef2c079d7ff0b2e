"""Every version of a profile is kept; the newest counts."""

import pytest

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.profiles.documents import InvalidProfile, UnknownProfile, bundled_profiles
from falcon_pipelines.profiles.store import (
    delete_profile,
    get_profile,
    list_profiles,
    profile_history,
    restore_profile,
    save_profile,
    seed_bundled,
)
from tests.profiles.test_documents import GOOD


def test_versions_are_added_and_never_changed(database_url: str) -> None:
    with transaction(database_engine(database_url)) as session:
        assert save_profile(session, GOOD, "ann").version == 1
        assert save_profile(session, GOOD.replace("top_k: 7", "top_k: 7 # same"), "ann").version == 1
        assert save_profile(session, GOOD.replace("top_k: 7", "top_k: 8"), "bob").version == 2
        assert get_profile(session, "mine").profile.top_k == 8
        assert get_profile(session, "mine", 1).profile.top_k == 7
        assert [one.saved_by for one in profile_history(session, "mine")] == ["bob", "ann"]
        with pytest.raises(InvalidProfile, match=r"line 6: .*did you mean .price"):
            save_profile(session, GOOD.replace("name: price", "name: prise"), "ann")
        assert get_profile(session, "mine").version == 2


def test_deleting_keeps_the_history_and_restoring_brings_a_version_back(database_url: str) -> None:
    with transaction(database_engine(database_url)) as session:
        save_profile(session, GOOD, "ann")
        save_profile(session, GOOD.replace("top_k: 7", "top_k: 8"), "ann")
        delete_profile(session, "mine", "bob")
        assert list_profiles(session) == []
        assert [one.name for one in list_profiles(session, deleted=True)] == ["mine"]
        with pytest.raises(UnknownProfile):
            get_profile(session, "mine")
        with pytest.raises(UnknownProfile):
            delete_profile(session, "mine", "bob")
        back = restore_profile(session, "mine", 1, "ann")
        assert (back.version, back.profile.top_k, back.origin) == (4, 7, "restored")
        assert len(profile_history(session, "mine")) == 4


def test_bundled_profiles_are_seeded_once_and_people_s_changes_stay(database_url: str) -> None:
    with transaction(database_engine(database_url)) as session:
        assert set(seed_bundled(session)) == set(bundled_profiles())
        assert seed_bundled(session) == []
        delete_profile(session, "earnings_plays", "ann")
        document = get_profile(session, "mean_reversion").document
        save_profile(session, document.replace("top_k: 10", "top_k: 5"), "ann")
        assert seed_bundled(session) == []
        assert get_profile(session, "mean_reversion").profile.top_k == 5
        assert "earnings_plays" not in [one.name for one in list_profiles(session)]
