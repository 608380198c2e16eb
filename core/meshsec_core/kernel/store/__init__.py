"""State: overlays that can be dropped, typed windows on it, and the committed versions with their proofs.

`overlay` is what handlers write to, `windows` are how modules name and type what they keep, `state` holds the committed trees.
A key is a printable path whose first segment is its store: `bank/balances/osmo1…/uosmo`.
"""
