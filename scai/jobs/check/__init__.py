"""Check sessions and queues for what no program of ours leaves behind, and repair it.

What is right, by the state in a session's record:

    initialization, processing   the job waits, is claimed by a living owner, or is on hold: one of
                                 these, in the queue of its kind
    complete                     no ticket, and no hold unless its result cannot be read
    failure                      no ticket; a hold says that a person may release it

Each finding is confirmed under the session's lock before it is told, so a check beside a running
server finds nothing that is merely under way. Each repair looks again and takes the step that is
wanted last of all, so it may be interrupted anywhere and done again.
"""
