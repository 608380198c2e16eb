"""Random histories of a whole mesh as a hypothesis state machine that people extend. Start at `machine`."""
