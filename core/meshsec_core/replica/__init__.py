"""Mempool, consensus and application of one chain, joined. Both drivers, real processes and the simulation, run this.

Start reading at `replica`; `height` and `voter` are consensus in progress, `chain` builds and checks blocks, `history` and
`storage` are what survives a crash, `drive` is the inner loop of a shell.
"""
