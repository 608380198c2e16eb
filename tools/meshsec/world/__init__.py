"""A mesh to play with: one interface, whether its chains are simulated in this process or run as processes.

Start at `base`; a chain and its branches are in `chain`, what is done with a fork in `forks`.
"""
