"""Long random histories of meshes on the light rig of `mesh_rig`: millions of actions, and the laws after each of them.

`meshes` starts them, `messages` and `deeds` say what can be done, `play` does it and checks, `shrink` shortens what breaks a law.
`python -m soak` runs many; see `__main__`.
"""
