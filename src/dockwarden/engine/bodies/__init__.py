"""The closed bodies of every route, each field with its mark: judged, harmless or refused, and why.

Sources: the Engine's API descriptions 1.24 to 1.55 and its own type definitions. Start with `container.py`.
"""
