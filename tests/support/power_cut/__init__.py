"""Power cuts: record what a program does to files, and build every state that a cut may leave.

The idea is that of ALICE ("All File Systems Are Not Created Equal", OSDI 2014): what no fsync has
made durable may be lost, kept, or kept in part, as long as the changes of one directory keep their
order. A rename between two directories is one change of both.
"""
