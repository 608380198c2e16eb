"""Tests of the tests: `named` breaks rules that are written down in the tables beside it, `score` whatever can be broken.

`python -m mutations.named` and `python -m mutations.score`, with `tests` on the path; `make long` runs both.
"""
