"""Pair rows and columns one to one with the largest sum of scores (Hungarian method).

SciPy has the same and is no part of the base install. The frames of a video are small problems, and
most are solved by the best column of each row alone.
"""

import numpy as np

from smallpose.evaluation.matching.arrays import Floats, Ints


def assign_pairs(score: Floats) -> tuple[Ints, Ints]:
    """Return rows and columns of the pairs, min(r, c) of them, by rising row.

    Args:
        score: (r, c) finite.

    >>> rows, columns = assign_pairs(np.array([[3.0, 2.0], [2.0, 0.0]]))
    >>> columns.tolist()
    [1, 0]
    """
    if 0 in score.shape:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    if score.shape[0] > score.shape[1]:
        columns, rows = assign_pairs(score.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    best = score.argmax(axis=1)
    if len(np.unique(best)) == len(best):
        return np.arange(len(best)), best
    return np.arange(len(score)), _assign_columns(-score)


def _assign_columns(cost: Floats) -> Ints:
    """Return the (r,) column of each row at the least cost; there are at least as many columns.

    Rows are added one by one along the shortest augmenting path, with potentials of rows and
    columns that keep every reduced cost at or above zero.
    """
    num_rows, num_columns = cost.shape
    row_potential = np.zeros(num_rows)
    column_potential = np.zeros(num_columns)
    owner = np.full(num_columns, -1, dtype=np.intp)
    for start in range(num_rows):
        distance = np.full(num_columns, np.inf)
        parent = np.full(num_columns, -1, dtype=np.intp)  # the column before; -1 for the start
        is_done = np.zeros(num_columns, dtype=bool)
        row = start
        column = -1
        reached = 0.0
        while True:
            through = reached + cost[row] - row_potential[row] - column_potential
            is_shorter = ~is_done & (through < distance)
            distance[is_shorter] = through[is_shorter]
            parent[is_shorter] = column
            column = int(np.where(is_done, np.inf, distance).argmin())
            reached = float(distance[column])
            is_done[column] = True
            if owner[column] < 0:
                break
            row = int(owner[column])
        # Columns that were passed, all but the last, and their rows move by what was left.
        passed = is_done & (owner >= 0)
        slack = reached - distance[passed]
        row_potential[owner[passed]] += slack
        column_potential[passed] -= slack
        row_potential[start] += reached
        while column >= 0:
            before = int(parent[column])
            owner[column] = start if before < 0 else owner[before]
            column = before
    columns = np.empty(num_rows, dtype=np.intp)
    is_taken = owner >= 0
    columns[owner[is_taken]] = np.flatnonzero(is_taken)
    return columns
