"""Running the `falcon` command of a node's release, as a service of Falcon's runs: same account, settings and passwords."""

import shlex

from infra import layout
from infra.nodes.services import database_url
from infra.site import Site

_CREDENTIALS = f"LoadCredential=pgpass:{layout.ETC}/pgpass"


def falcon_on(site: Site, arguments: str, *, venv: str = layout.VENV, role: str = "falcon_app") -> str:
    """Shell for a node with a release: its output is the command's, its exit code too; passwords stay in the credential."""
    url = database_url(role, "falcon", site.address("db"))
    properties = (
        f"User={layout.USER}",
        f"EnvironmentFile={layout.ETC}/falcon.env",
        _CREDENTIALS,
        f"WorkingDirectory={layout.VAR}",
    )
    options = " ".join(f"--property={shlex.quote(one)}" for one in properties)
    command = f"PGPASSFILE=$CREDENTIALS_DIRECTORY/pgpass FALCON_DATABASE_URL={shlex.quote(url)} {venv}/bin/falcon {arguments}"
    return f"sudo systemd-run --quiet --pipe --wait --collect {options} /bin/sh -c {shlex.quote(command.replace('$', '$$'))}"
