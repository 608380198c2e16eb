"""The protocol of a mesh of chains: pure functions and values, without I/O, clock, randomness or floats.

Layers, lower never imports higher: kernel, runtime, modules, ibc, security, app, replica; consensus rests on the kernel alone.
Start reading at `runtime` (the vocabulary of every state machine), then `app` and `replica`.
"""
