"""``taskproc demo``: three tenants' batches over the source files of Python's standard library.

Everything in it is what a service would write: handlers (``handlers``), a processor (``app``), and a
program that enqueues and watches (``play``). It starts a server and workers of its own.
"""

from taskproc.demo.play import play

__all__ = ["play"]
