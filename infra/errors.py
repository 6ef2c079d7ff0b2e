"""What can go wrong while deploying, in words for the operator."""


class DeployError(Exception):
    """One clear line: which host, which thing, what to do."""


class InvalidSite(DeployError):
    """The site file cannot be used."""


class StepFailed(DeployError):
    """A step on a node failed; nothing after it was done there."""
