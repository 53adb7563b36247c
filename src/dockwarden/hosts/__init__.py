"""The hosts that people reach through us: where they are, which key they must show, and how we get in. Begin with `hosts.py`."""
