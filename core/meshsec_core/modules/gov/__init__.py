"""Governance: whoever has stake decides what the chain does in its own name.

Start at `state` (what is kept), then `tally` (how votes are counted), `course` (how a proposal goes from deposit to outcome)
and `module` (messages, views and laws).
"""
