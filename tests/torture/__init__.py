"""Kills the processes of a mesh under load, at random moments and at chosen points of a write, and looks for what was lost.

Start at `__main__`. `mortal` is a supervisor whose processes die where they are told to; `mesh` starts and kills; `load` keeps
the mesh busy; `witness` remembers what anybody was told and compares; `books` reads the files that a mesh leaves.
"""
