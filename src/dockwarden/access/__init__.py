"""People and jobs: who they are, how that is proven, and what they made.

It never decides what anybody may do: `policy/` does. Read `people.py` first.
"""
