"""The site file: which machines there are, and what each is for."""

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from infra.errors import InvalidSite

HERE = Path(__file__).resolve().parent
Role = Literal["db", "compute", "web"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Node(_Model):
    """One machine. The first compute node of the file keeps all that there is once; others take runs."""

    address: str
    roles: tuple[Role, ...] = Field(min_length=1)
    ssh_port: int = 22

    @field_validator("address")
    @classmethod
    def _ip(cls, value: str) -> str:
        # Addresses and not names: with the LAN's name server gone, names cost every connection ten seconds.
        return str(ipaddress.ip_address(value))


class General(_Model):
    """What holds for all nodes."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=200)
    ssh_user: str = Field("deploy", pattern=r"^[a-z_][a-z0-9_-]*$")
    operators: tuple[str, ...] = Field(min_length=1)
    timezone: str = "America/New_York"

    @field_validator("operators")
    @classmethod
    def _networks(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(value)) for value in values)


class Site(_Model):
    """All machines of an installation, by name."""

    site: General
    nodes: dict[str, Node]

    @model_validator(mode="after")
    def _complete(self) -> "Site":
        for role in ("db", "web"):
            if len(self.with_role(role)) != 1:
                raise ValueError(f"exactly one node must have the role {role}")
        if not self.with_role("compute"):
            raise ValueError("at least one node must have the role compute")
        addresses = [node.address for node in self.nodes.values()]
        if len(set(addresses)) != len(addresses):
            raise ValueError("two nodes have the same address")
        return self

    def with_role(self, role: str) -> list[str]:
        """Names of the nodes that have a role, in the file's order."""
        return [name for name, node in self.nodes.items() if role in node.roles]

    def kinds(self, name: str) -> tuple[str, ...]:
        """What a node is for: its roles, where every compute node but the first is a `worker`, which only takes runs."""
        worker = name in self.with_role("compute")[1:]
        return tuple("worker" if role == "compute" and worker else role for role in self.nodes[name].roles)

    def address(self, role: str) -> str:
        """Address of the (first) node with a role."""
        return self.nodes[self.with_role(role)[0]].address

    def addresses(self, role: str) -> list[str]:
        """Addresses of all nodes with a role."""
        return [self.nodes[name].address for name in self.with_role(role)]

    def select(self, target: str) -> list[str]:
        """Nodes meant by `all`, a role, or a name, in the order in which they are deployed."""
        if target == "all":
            chosen = set(self.nodes)
        elif target in self.nodes:
            chosen = {target}
        elif target in ("db", "compute", "web"):
            chosen = set(self.with_role(target))
        else:
            known = ", ".join(["all", *self.nodes])
            raise InvalidSite(f"{target}: no such node; known are {known}")
        order = {"db": 0, "compute": 1, "web": 2}
        return sorted(chosen, key=lambda name: min(order[role] for role in self.nodes[name].roles))


def site_file() -> Path:
    """The file named by FALCON_SITE, else the one beside this module."""
    return Path(os.environ.get("FALCON_SITE") or HERE / "site.toml")


def load_site() -> Site:
    """Read and check the site file; raises InvalidSite naming the file, the field and what is wrong."""
    path = site_file()
    try:
        return Site.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidSite(f"{path}: {error.strerror}; set FALCON_SITE to your site file") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidSite(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidSite(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from error
