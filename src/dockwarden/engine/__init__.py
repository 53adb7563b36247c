"""What the Docker Engine's API means: routes, bodies, canonical form, facts, hardening, veiling, image names. All of it is pure.

It never decides and never talks to anybody. Read `call.py` for what a call is, `read.py` for how one is read, `facts/` for what is
said about it.
"""
