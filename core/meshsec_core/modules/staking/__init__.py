"""Validators, delegations and their unbonding. Start at `state` (what is kept), then `delegation`, `validator` and `module`; `signals` is what others hear."""
