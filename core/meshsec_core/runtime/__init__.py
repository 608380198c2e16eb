"""The vocabulary of every state machine: messages, events, signals, the context of a handler, modules and their router.

Start reading at `module`; `tx` and `genesis` are what enters a chain from outside.
"""
