"""What can be tested without a host: `make test` runs it, and `roost check` for the rest."""

import unittest

from wit_world.imports import roost_telemetry_types as types

import spans
import times


class Times(unittest.TestCase):
    def test_an_instant_comes_back_in_microseconds(self):
        self.assertEqual(times.to_iso(1_795_282_282_033_000_001), "2026-11-21T17:31:22.033001+00:00")
        self.assertEqual(times.from_iso("2026-11-21T17:31:22.033001+00:00"), 1_795_282_282_033_001_000)
        self.assertEqual(times.from_iso(times.to_iso(2**64 - 1)) // 10**9, (2**64 - 1) // 10**9)


class Values(unittest.TestCase):
    def test_a_value_keeps_its_type(self):
        for wire, expected in [
            (True, types.AttributeValue_Boolean(True)),
            (2**53 + 1, types.AttributeValue_Integer(2**53 + 1)),
            (2**63, types.AttributeValue_Number(float(2**63))),
            (0.5, types.AttributeValue_Number(0.5)),
            ("größe", types.AttributeValue_Text("größe")),
            ([1], types.AttributeValue_Json("[1]")),
        ]:
            self.assertEqual(spans.value(wire), expected)


if __name__ == "__main__":
    unittest.main()
