"""Where records come from: one recorder per augmentation library, and what they share.

``kornia`` and ``torchvision`` each run a pipeline and read what it did; ``multiview`` makes several
views, ``one_by_one`` for data sets that run a list of pipelines themselves. Adding a library is a
module that walks its pipelines and one that makes its transforms say what they did; how that is
read stands on the encoders.

- Before the first image: ``walk`` (pipelines of callables), ``plan`` (what no record can tell),
  ``catalogue`` (which encoder reads what), ``follow`` (what a user changes later), ``cast``
  and ``rehearsal`` (which pipelines an object that makes several views holds, and what it does with
  them).
- While views are made: ``recorder`` (runs pipelines of callables), ``notes`` (where steps are
  noted), ``twins`` (objects that note, beside the user's own), ``reported`` and ``foresee``
  (callables that say nothing of themselves).
- Afterwards: ``scribes`` write the notes into ``rows`` of numbers, which records are shown by;
  ``forms`` says how: at once, or where a ``collate`` makes the batch. Where a later step changes
  what an earlier one wrote, ``journal`` settles them first and ``frame`` says where the view lies;
  ``straight`` says where neither is needed. ``packed`` is how records of several views travel.
"""
