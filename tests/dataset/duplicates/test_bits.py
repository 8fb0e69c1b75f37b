import numpy as np

from smallpose.dataset.duplicates.bits import count_bits, count_bits_by_table


def test_both_ways_count_the_bits_that_python_counts():
    values = np.random.default_rng(0).integers(0, 2**64, (30, 4), dtype=np.uint64)
    values[0] = 0, 1, 2**63, 2**64 - 1
    expected = [[int(value).bit_count() for value in row] for row in values]
    assert count_bits(values).tolist() == expected
    assert count_bits_by_table(values).tolist() == expected
    assert count_bits_by_table(values[:0]).shape == (0, 4)
