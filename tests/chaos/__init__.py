"""Ordeals: workers, servers, connections and clocks fail under load, and what was acknowledged must come out exactly.

``python -m tests.chaos`` runs the long form of all, and writes what it found; ``tests/test_chaos.py`` runs a short form.
"""
