"""What workers and launchers tell each other through Redis: a run's sign of life, and the wish that it stop."""

import json
from dataclasses import asdict, dataclass

from redis import Redis

LEASE_SECONDS = 45
"""A run whose worker has not renewed its lease for this long has lost it."""
RENEW_SECONDS = 2.0
_ENDED_SECONDS = 86_400
_STOP_SECONDS = 7 * 86_400


@dataclass(frozen=True)
class Lease:
    """Who executes a run; `exit_code` once its process has ended, negative for the signal that killed it."""

    node: str
    holder: str
    """One worker process of the node; another one on the same node is another holder."""
    pid: int
    exit_code: int | None = None


class Leases:
    """The leases of all runs. Raises redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def take(self, run_id: str, lease: Lease) -> bool:
        """Become the one who executes the run; False when another worker does, or did."""
        return bool(self._redis.set(_lease(run_id), _dump(lease), ex=LEASE_SECONDS, nx=True))

    def renew(self, run_id: str, lease: Lease) -> bool:
        """The run goes on; whether it should stop."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.set(_lease(run_id), _dump(lease), ex=LEASE_SECONDS)
        pipe.exists(_stop(run_id))
        return bool(pipe.execute()[1])

    def end(self, run_id: str, lease: Lease) -> None:
        """The run's process has ended; kept for a day."""
        self._redis.set(_lease(run_id), _dump(lease), ex=_ENDED_SECONDS)

    def read(self, run_id: str) -> Lease | None:
        """The run's lease, None when it never had one or lost it."""
        held = self._redis.get(_lease(run_id))
        if not isinstance(held, bytes):
            return None
        return Lease(**json.loads(held))

    def ask_to_stop(self, run_id: str) -> None:
        """Whoever executes the run stops it; a worker that has not begun it will not."""
        self._redis.set(_stop(run_id), "1", ex=_STOP_SECONDS)

    def should_stop(self, run_id: str) -> bool:
        """Whether somebody wished so."""
        return bool(self._redis.exists(_stop(run_id)))


def _lease(run_id: str) -> str:
    return f"falcon:run:{run_id}"


def _stop(run_id: str) -> str:
    return f"falcon:stop:{run_id}"


def _dump(lease: Lease) -> str:
    return json.dumps(asdict(lease))
