"""Tendermint consensus (arXiv:1807.04938) and light-client verification, without any knowledge of the application.

Start reading at `step` (one height of one validator), then `validators`, `votes`, `evidence` and `light`.
"""
