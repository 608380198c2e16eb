"""IBC v1: clients, connections, channels, packets and token transfer. Nothing a relayer says is believed without a proof. Start at `client`."""
