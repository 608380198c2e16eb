"""Byte-exact CometBFT 0.38 and ibc-go structures by field tables.

Start at `scalars` and `proto`; then `tendermint`, `hashes`, `ibc`, `ics23`.
"""
