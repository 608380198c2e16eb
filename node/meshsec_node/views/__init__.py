"""What a chain answers: pure views of a replica, one table of routes, and a transport without sockets.

Start at `table`; `routes` says what a route and a view are. `LocalTransport` is what simulations use.
"""

from meshsec_node.views.local import LocalTransport

__all__ = ["LocalTransport"]
