"""A relayer that lies: `mutants` changes parts of messages, `front` knows what is true, `lies` turns it into what is not.

Start reading at `lies`, the table of kinds; `siege` submits them in blocks and judges what became of them.
"""
