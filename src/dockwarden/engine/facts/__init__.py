"""What policy judges a call by: `facts(call, known) -> Facts`, pure and total.

`model.py` is what comes out, `facts.py` finds the family of a call, one file for each family of calls; twins (Binds and Mounts,
container and service, create and update) meet in `run.py`. Nothing here decides: it names.
"""

from dockwarden.engine.facts.facts import facts
from dockwarden.engine.facts.model import Facts, ImageFacts, UserFacts

__all__ = ["Facts", "ImageFacts", "UserFacts", "facts"]
