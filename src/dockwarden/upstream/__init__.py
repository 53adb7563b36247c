"""The ways out: connections to what is protected. They carry what was judged and decide nothing. Read `engine.py` first."""
