"""Many low scores are counted, whatever scale a model's scores have, and a few are not."""

import numpy as np
import pytest

from smallpose.inference.low_scores import ScoreCollector


def describe(scores_of_images, num_parts=1):
    collector = ScoreCollector()
    for rows in np.array_split(np.arange(len(scores_of_images)), num_parts):
        pairs = [(score, i) for i in rows.tolist() for score in scores_of_images[i]]
        collector.add_scores([score for score, _ in pairs], [i for _, i in pairs])
    return collector.describe_low_scores()


IMAGES = [[0.8, 0.7, *[0.01] * 12], [0.5, 0.02], [0.9, *[0.1] * 9]]  # the median best is 0.8


@pytest.mark.parametrize("num_parts", [1, 2, 3])
def test_people_below_a_fifth_of_the_median_best_are_counted(num_parts):
    message = describe(IMAGES, num_parts)
    assert message.startswith("22 of 26 people have a score below 0.16, ")
    assert "--min-score 0.16 " in message


@pytest.mark.parametrize("scale", [0.01, 0.5, 100])
def test_the_scale_of_scores_does_not_matter(scale):
    message = describe([[scale * score for score in image] for image in IMAGES])
    limit = float(message.split("--min-score ")[1].split()[0])
    assert limit == pytest.approx(0.16 * scale, rel=0.05)
    scores = np.array([scale * score for image in IMAGES for score in image])
    # The number is that of the people whom the option leaves out.
    assert int(message.split()[0]) == (scores < limit).sum() == 22


@pytest.mark.parametrize(
    "images",
    [
        [],
        [[]],
        [[0.5, 0.4, 0.3]] * 20,  # none is low
        [[0.8, *[0.01] * 4]],  # low, but four
        [[0.8, 0.7, 0.6, 0.5, 0.01]] * 9,  # a fifth of them
        [[0.0] * 9],
        [[-1e-9 * one for one in range(1, 9)]] * 3,  # a fifth of the best is above it
    ],
)
def test_few_low_scores_are_no_matter(images):
    assert describe(images) == ""
