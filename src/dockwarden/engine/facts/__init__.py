"""What policy judges a call by: `facts(call, known) -> Facts`, pure and total.

`model.py` is what comes out. One file for each family of calls; twins (Binds and Mounts, container and service, create and
update) meet in the same functions. Nothing here decides: it names.
"""

from dockwarden.engine.facts.model import Facts, ImageFacts, UserFacts

__all__ = ["Facts", "ImageFacts", "UserFacts"]
