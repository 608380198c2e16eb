"""The application modules of a proof-of-stake chain. Start reading at `bank`, then `staking`."""
