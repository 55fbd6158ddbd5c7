"""The paper's comparison, redone by one command: ``python -m transfer`` in this folder's parent."""
