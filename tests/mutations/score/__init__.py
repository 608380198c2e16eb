"""How many small changes of the code the tests notice: `operators` makes mutants, `session` tries them, `__main__` tells.

`areas.toml` says which files belong together and which tests are asked; `equivalent.toml` names mutants that no test can notice
because nothing observable changes, each with its reason.
"""
