"""The canary of a deploy: one run asked for on web, over the whole road that real runs take, and waited for."""

from pathlib import Path

from infra import layout, ssh
from infra.errors import StepFailed
from infra.session import Session

SECONDS = 90
_PROGRAM = Path(__file__).parent / "programs" / "canary.py"


def why_silent(session: Session) -> str | None:
    """Why no run comes through, in words; None when one does.

    Left out, with a note, while a part of the road is not there: nodes that are not set up yet, or a web node that is off.
    """
    site = session.site
    web = site.with_role("web")[0]
    try:
        whole = all(
            session.answers(name, f"test -e {layout.CURRENT}") for name in (site.with_role("compute")[0], web)
        )
    except StepFailed as error:
        session.say(f"the canary is left out: {error}")
        return None
    if not whole:
        session.say("the canary is left out until compute and web are both set up")
        return None
    session.say("canary: daemon, compute, database")
    url = f"http://127.0.0.1:{layout.DAGSTER_UI_PORT}/dagster/graphql"
    done = ssh.ask(site, web, f"python3 - {url} {SECONDS}", stdin=_PROGRAM.read_text(), timeout=SECONDS + 60)
    if done.returncode == 0:
        return None
    said = (done.stdout + done.stderr).strip().splitlines()
    return f"no canary came through: {said[-1] if said else 'no message'}"
