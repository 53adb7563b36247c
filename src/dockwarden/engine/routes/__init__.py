"""The whole Engine API as tables, a domain a file. `table.py` puts them together and finds the route of a path."""
