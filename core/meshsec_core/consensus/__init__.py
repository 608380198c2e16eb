"""Tendermint consensus (arXiv:1807.04938) and light-client verification, without any knowledge of the application.

Start reading at `step` (one height of one validator) and `votes`; `validators` and `proposer` say who votes and whose turn it is,
`guard` what may be signed, `commits` and `evidence` what signatures prove, and `light` what they prove to another chain.
"""
