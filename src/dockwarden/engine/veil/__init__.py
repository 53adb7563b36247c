"""What an answer shows: rows that the caller may see, values masked, our own workings taken back out.

Pure: a parsed answer and a `View` come in, the veiled answer goes out. `veil.py` knows every route that needs it; `mask.py` hides
environment values; `words.py` hides ids in the Engine's sentences; `events.py` reads the stream of events. An answer that cannot be read
is withheld by who calls this.
"""
