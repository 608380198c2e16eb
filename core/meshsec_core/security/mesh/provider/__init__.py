"""The lending side: vault, local staking, stake lent over links, slashing. `module` joins them; start with `vault`."""
