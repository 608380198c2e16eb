"""The HTTP API's answers and bodies as pydantic models: what OpenAPI publishes and what tests check answers against.

`shape` is what they share; `chain`, `txs`, `state` and `dev` are what is read, sent, known and ordered; `table` names them all.
"""
