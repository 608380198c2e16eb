"""Validators, delegations and their unbonding.

Start at `state` (what is kept and how it is read), then `delegation`, `unbonding`, `validator`, `slash` and `module`; `history`
knows past powers, `signals` is what other modules hear.
"""
