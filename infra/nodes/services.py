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
    roles: tuple[str, ...] = ()
    """Database roles whose passwords it needs."""
    kill_mode: str = "mixed"
    stop_seconds: int = 30
    notify: bool = False
    watchdog_seconds: int | None = None
    nice: int = 0
    socket: bool = False
    groups: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def unit(service: Service) -> str:
    """The unit file."""
    return steps.render(
        "service.j2", service=service, layout=layout, hardening=steps.render("hardening.conf.j2")
    )


def database_url(role: str, database: str, address: str) -> str:
    """Where a role finds its database; the password is in a credential and never in a URL."""
    return (
        f"postgresql+psycopg2://{role}@{address}:{layout.POSTGRES_PORT}/{database}?sslmode=verify-full"
        f"&sslrootcert={layout.TLS}/ca.crt&sslcert={layout.TLS}/node.crt&sslkey={layout.TLS}/node.key"
    )
