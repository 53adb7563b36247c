"""`python -m dockwarden`: the same as the command."""

from dockwarden.cli import main

if __name__ == "__main__":
    main()
