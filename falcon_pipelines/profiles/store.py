"""Profiles in the database: every version is kept, the newest of a name counts, deleting adds one that says so.

The dashboard reads here and asks for changes through requests; the sensor that takes them writes here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import ScreenProfile
from falcon_pipelines.profiles.documents import (
    UnknownProfile,
    bundled_documents,
    content_hash,
    parse_profile,
    unknown,
)
from falcon_pipelines.profiles.schema import Profile

Origin = Literal["bundled", "person", "proposal", "restored"]
_LOCK = 0x5C4EE4


@dataclass(frozen=True)
class StoredProfile:
    """One version of a profile as stored; `document` is its YAML as written."""

    name: str
    version: int
    title: str
    document: str
    profile: Profile
    origin: Origin
    note: str | None
    deleted: bool
    saved_by: str
    saved_at: datetime


def save_profile(
    session: Session, document: str, by: str, *, origin: Origin = "person", note: str | None = None
) -> StoredProfile:
    """Store the profile as a new version of its name; one with the same content as the newest adds nothing.

    Raises InvalidProfile with the line that is wrong.
    """
    profile = parse_profile(document)
    _one_writer(session)
    newest = _newest(session, profile.name)
    digest = content_hash(profile)
    if newest is not None and not newest.deleted and newest.content_hash == digest:
        return _stored(newest)
    row = ScreenProfile(
        name=profile.name,
        version=(newest.version if newest else 0) + 1,
        title=profile.title,
        document=document,
        content=profile.model_dump(mode="json"),
        content_hash=digest,
        origin=origin,
        note=note,
        deleted=False,
        saved_by=by,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    return _stored(row)


def delete_profile(session: Session, name: str, by: str) -> StoredProfile:
    """Take a profile out of use; its versions, runs and record stay. Raises UnknownProfile."""
    _one_writer(session)
    newest = _newest(session, name)
    if newest is None or newest.deleted:
        raise unknown(name, [p.name for p in list_profiles(session)])
    row = ScreenProfile(
        name=name,
        version=newest.version + 1,
        title=newest.title,
        document=newest.document,
        content=newest.content,
        content_hash=newest.content_hash,
        origin="person",
        note=f"deleted by {by}",
        deleted=True,
        saved_by=by,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    return _stored(row)


def restore_profile(session: Session, name: str, version: int, by: str) -> StoredProfile:
    """Make an earlier version the newest again, as a version of its own. Raises UnknownProfile."""
    earlier = get_profile(session, name, version)
    return save_profile(
        session, earlier.document, by, origin="restored", note=f"version {version} again, by {by}"
    )


def get_profile(session: Session, name: str, version: int | None = None) -> StoredProfile:
    """A profile in its newest version, or in any. Raises UnknownProfile, for deleted ones too unless a version is given."""
    query = select(ScreenProfile).where(ScreenProfile.name == name)
    if version is not None:
        row = session.scalar(query.where(ScreenProfile.version == version))
        if row is None or row.deleted:
            raise UnknownProfile(f"profile {name!r} has no version {version}")
        return _stored(row)
    row = _newest(session, name)
    if row is None or row.deleted:
        raise unknown(name, [p.name for p in list_profiles(session)])
    return _stored(row)


def list_profiles(session: Session, *, deleted: bool = False) -> Sequence[StoredProfile]:
    """Every profile in its newest version, by name; with `deleted`, those out of use too."""
    newest = select(func.max(ScreenProfile.id)).group_by(ScreenProfile.name)
    rows = session.scalars(
        select(ScreenProfile).where(ScreenProfile.id.in_(newest)).order_by(ScreenProfile.name)
    )
    return [_stored(row) for row in rows if deleted or not row.deleted]


def profile_history(session: Session, name: str) -> Sequence[StoredProfile]:
    """All versions of a profile, newest first; empty for a name that never was."""
    rows = session.scalars(
        select(ScreenProfile).where(ScreenProfile.name == name).order_by(ScreenProfile.version.desc())
    )
    return [_stored(row) for row in rows]


def seed_bundled(session: Session) -> Sequence[str]:
    """Store the profiles that come with Falcon; returns the names written.

    One that a person has changed or deleted stays as they left it; one nobody touched follows the release.
    """
    written = []
    for name, document in bundled_documents().items():
        newest = _newest(session, name)
        digest = content_hash(parse_profile(document))
        if newest is not None and (newest.origin != "bundled" or newest.content_hash == digest):
            continue
        save_profile(session, document, "falcon", origin="bundled", note="comes with Falcon")
        written.append(name)
    return written


def _newest(session: Session, name: str) -> ScreenProfile | None:
    return session.scalar(
        select(ScreenProfile)
        .where(ScreenProfile.name == name)
        .order_by(ScreenProfile.version.desc())
        .limit(1)
    )


def _one_writer(session: Session) -> None:
    # Two savers at once would count up to the same version.
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _stored(row: ScreenProfile) -> StoredProfile:
    origin: Origin = row.origin  # type: ignore[assignment]
    return StoredProfile(
        name=row.name,
        version=row.version,
        title=row.title,
        document=row.document,
        profile=Profile.model_validate(row.content),
        origin=origin,
        note=row.note,
        deleted=row.deleted,
        saved_by=row.saved_by,
        saved_at=row.created_at,
    )
