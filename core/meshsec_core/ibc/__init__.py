"""IBC v1: clients, connections, channels, packets and token transfer. Nothing a relayer says is believed without a proof.

Start reading at `client`, then `connection`, `channel`, `packet`; `module` joins them, `transfer` is an application on top.
"""
