"""`scripts/deploy.sh` hands its arguments to this."""

from gevent import monkey

monkey.patch_all()  # pyinfra speaks to all nodes at once with gevent

import sys  # noqa: E402

from infra.command import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
