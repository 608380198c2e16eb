"""The relayer: a pure engine that decides what to send next, and a runner that asks, proves and submits. Start at `engine`."""
