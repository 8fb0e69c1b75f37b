import random
import struct

import pytest

from smallpose.io import json_text

needs_extension = pytest.mark.skipif(json_text.EXTENSION is None, reason="_json was not built")


def parse_number(text):
    return json_text.EXTENSION.parse_number(text.encode() + b"]", json_text.compute_reciprocals())


@needs_extension
def test_every_number_is_the_double_nearest_to_its_text():
    rng = random.Random(0)
    texts = ["0", "-0.0", "1", "-1", "0.5", "9007199254740993", "1e22", "1E-5", "1.5e+3", "0.1"]
    texts += ["123456789012345678", "0.000000000000000000000012345", "5e-324", "4.35", "2.675"]
    for _ in range(20_000):
        x = rng.choice(
            [
                rng.uniform(0, 2000),
                rng.random(),
                10 ** rng.uniform(-30, 15),
                struct.unpack("f", struct.pack("f", rng.uniform(0, 2000)))[0],
                struct.unpack("f", struct.pack("f", 10 ** rng.uniform(-20, 0)))[0],
            ]
        )
        texts.append(rng.choice([repr(x), f"{x:.2f}", f"{x:.6f}", f"{x:.17g}", f"{-x:.9e}"]))
    # Next to the midpoints of two doubles, with as many digits as are read.
    for _ in range(5_000):
        mantissa, power = rng.randrange(2**52, 2**53), rng.randrange(1, 30)
        numerator = (2 * mantissa + 1) * 10**power // 2 ** rng.randrange(20, 110)
        texts.append(f"{numerator % 10**19}e-{power}")
    num_unsupported = 0
    for text in texts:
        value = parse_number(text)
        num_unsupported += value is None
        assert value is None or struct.pack("d", value) == struct.pack("d", float(text)), text
    assert num_unsupported / len(texts) < 0.05


@needs_extension
@pytest.mark.parametrize(
    "text", ["", "-", "01", "1.", ".5", "+1", "1e", "NaN", "Infinity", "1e400", "0x1", "1 2", "--1"]
)
def test_text_that_is_not_a_number_of_json_is_unsupported(text):
    assert parse_number(text) is None


def test_the_formula_for_the_bits_of_powers_of_5_is_correct():
    for k in range(1, json_text.MAX_DECIMALS + 1):
        assert k * 1217359 // 524288 + 1 == (5**k).bit_length()
