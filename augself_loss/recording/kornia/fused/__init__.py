"""Applies what Kornia drew in a few vectorised operations.

``walk`` runs a pipeline: Kornia draws, ``choose`` says which modules have a form here, all others
run as Kornia's own. ``operation`` and ``row_wise`` are what a form is; ``crop``, ``colour``,
``hue``, ``blur``, ``simple`` hold the arithmetic, ``compiled`` its graphs. ``apply`` prepares what
was drawn, moves it in one ``block``, and on the first batch has ``agree`` compare with Kornia.
"""
