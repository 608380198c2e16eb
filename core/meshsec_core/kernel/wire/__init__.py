"""Byte-exact CometBFT 0.38 and ibc-go structures by field tables. Start at `proto`; then `tendermint`, `hashes`, `ibc`, `ics23`."""
