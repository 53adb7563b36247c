"""What the Docker command line would ask of the Engine: a line of words in, the calls out. Nothing is sent.

Read `commands.py` first: the commands and the calls each makes. `run.py` has the flags of run and create, field by field.
"""

from dockwarden.cli.dockerline.commands import read_line
from dockwarden.cli.dockerline.draft import Call, Surroundings

__all__ = ["Call", "Surroundings", "read_line"]
