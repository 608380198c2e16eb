"""One port for a whole mesh: the live page, the registry, a proxy to all processes, all events merged, the clock.

The gateway holds no state of its own: it may die and return at any time. Start reading at `api`.
"""
