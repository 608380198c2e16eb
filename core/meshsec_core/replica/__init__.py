"""Mempool, consensus and application of one chain, joined: `handle(event) -> effects`. Both drivers, real processes and the simulation, run this.

Start reading at `replica`; `voter` is one validator, `chain` builds and checks blocks, `storage` is what survives a crash, `drive` the loop of a shell.
"""
