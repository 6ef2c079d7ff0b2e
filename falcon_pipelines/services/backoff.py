"""How long to wait before trying again: longer each time, and never two processes in step."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Pauses in seconds that double from `first` to `most`; each is drawn from its upper half."""

    first: float = 0.5
    most: float = 30.0
    failures: int = 0
    chance: random.Random = field(default_factory=random.Random, repr=False)

    def pause(self) -> float:
        """The next pause, in seconds."""
        longest = min(self.most, self.first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return longest * self.chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: the next pause is a short one again."""
        self.failures = 0
