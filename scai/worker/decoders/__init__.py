"""Helper processes that decode what strangers sent, one input at a time, with nothing to lose.

pool    which helper decodes next; starts, keeps and ends them
helper  one helper as the worker sees it: ask, wait, end
wire    the messages between both
child   the program of a helper
sandbox what a helper may still do
"""
