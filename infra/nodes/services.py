"""systemd units of Falcon's services, from one template."""

from dataclasses import dataclass, field

from infra import layout, steps


@dataclass(frozen=True)
class Service:
    """A long-running process of Falcon's on a node."""

    name: str
    description: str
    command: str
    after: tuple[str, ...] = ("network-online.target",)
    jit: bool = False
    """Numba writes machine code: memory that is writable and executable."""
    writes: tuple[str, ...] = (layout.VAR, layout.CACHE, layout.LOG)
    runtime_folder: str | None = None
    keep_runtime_folder: bool = False
    roles: tuple[str, ...] = ()
    """Database roles whose passwords it needs."""
    kill_mode: str = "mixed"
    stop_seconds: int = 30
    notify: bool = False
    watchdog_seconds: int | None = None
    nice: int = 0
    oom_score: int = 0
    """Who is killed first when memory is short: the higher, the sooner."""
    slice: str | None = None
    """Which share of the machine it takes from; see layout.SLICES."""
    secrets: bool = True
    """Whether a service with database roles also needs secrets.env."""
    unless_off: str | None = None
    """A setting that, being `off` or absent, means that there is nothing to run: skipped, not failed."""
    runs_password: bool = False
    """Whether it launches or takes runs, and so needs the password of their queue."""
    survives_oom: bool = False
    """Goes on when the kernel killed one of its processes for want of memory."""
    once: bool = False
    """Does its work at boot and is done; never run again by a deploy."""
    falcon_command: bool = False
    """Exits with 2 when its settings cannot work: it then stays down until they change, instead of flapping."""
    files: tuple[str, ...] = ()
    """Configuration of its own, besides its unit and settings."""
    groups: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def credentials(self) -> str:
        """Its database passwords, for root to hand over."""
        return f"{layout.CREDENTIALS}/{self.name}.pgpass"

    @property
    def read_at_start(self) -> tuple[str, ...]:
        """Files that count only from its next start on."""
        return (
            f"/etc/systemd/system/{self.name}.service",
            f"{layout.ETC}/falcon.env",
            *((self.credentials,) if self.roles else ()),
            *((layout.RUNS_PASSWORD,) if self.runs_password else ()),
            *((f"{layout.ETC}/secrets.env",) if self.roles and self.secrets else ()),
            *self.files,
        )


def unit(service: Service) -> str:
    """The unit file."""
    return steps.render(
        "service.j2", service=service, layout=layout, hardening=steps.render("hardening.conf.j2")
    )


# Dagster sets none. A database that vanished without a word is noticed within ten seconds.
_TIME_OUTS = (
    "connect_timeout=2&keepalives_idle=5&keepalives_interval=2&keepalives_count=3&tcp_user_timeout=8000"
)


def database_url(role: str, database: str, address: str) -> str:
    """Where a role finds its database; the password is in a credential and never in a URL."""
    return (
        f"postgresql+psycopg2://{role}@{address}:{layout.POSTGRES_PORT}/{database}?sslmode=verify-full"
        f"&sslrootcert={layout.TLS}/ca.crt&sslcert={layout.TLS}/node.crt&sslkey={layout.TLS}/node.key&{_TIME_OUTS}"
    )
