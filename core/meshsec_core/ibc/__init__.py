"""IBC v1: clients, connections, channels, packets and token transfer. Nothing a relayer says is believed without a proof.

Start reading at `client`, then `connection`, `channel`, `packet`; `module` joins them. `transfer` and `echo` are applications on
top; `laws` is what holds across chains, `own_laws` what holds on one.
"""
