"""The embedded API server's process: the object store behind HTTP, on sockets the daemon has opened.

Started by ``api_link.EmbeddedApi``; the bearer token comes on standard input, its objects from ``--state`` where an
earlier run left them.
"""
