"""Cedar: the schema, loading, deciding, explaining. Default deny, forbid beats permit, and an error refuses.

Pure: texts come in, values go out. Read `decide.py` first; the starter policies are in `starter/`.
"""
