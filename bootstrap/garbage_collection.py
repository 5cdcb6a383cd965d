"""How often Python looks for cycles, in processes that make and drop many objects and hardly any cycles."""

import gc

THRESHOLDS = (200_000, 10, 10)
"""More objects than a batch of callbacks, or a few hundred requests, have alive at once.

By default it looks whenever 700 came and stayed, which is for nothing some hundred times in each batch.
"""


def tune_garbage_collection() -> None:
    """Keep the collector out of the way: what is loaded by now stays for good, and the rest is looked at less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
