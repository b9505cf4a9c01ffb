"""The portal's front: connections, bodies and waiting clients on one event loop.

A thread of the application is spent on a request only when all of it has arrived, and only while
the application works on it.
"""
