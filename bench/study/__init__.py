"""The study of `docs/which-model.md`: published models on the same people at falling heights.

`run.py` (`make study`) measures each model of `plan.py` on the people of `people.py` in the
variants of `measure.py`, after the check of `sides.py`, with the costs of `cost.py`. `collect.py`
scores the results and writes numbers alone; `words.py`, `advice.py`, `figure.py` and `page.py` make
the page of them.
"""
