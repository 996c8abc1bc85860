"""What can be tested without a host: `make test` runs it, and `roost check` for the rest."""

import json
import unittest

from wit_world.imports import roost_telemetry_types as types

import spans


class Spans(unittest.TestCase):
    def test_a_span_comes_back_as_it_went(self):
        values = [
            types.AttributeValue_Text("größe"),
            types.AttributeValue_Boolean(False),
            types.AttributeValue_Integer(2**53 + 1),
            types.AttributeValue_Number(0.1),
            types.AttributeValue_Json("[1]"),
        ]
        attributes = [types.Attribute(f"key {place}", value) for place, value in enumerate(values)]
        span = types.Span(
            "0af7651916cd43dd8448eb211c80319c",
            "b7ad6b7169203331",
            None,
            "name",
            "LLM",
            types.StatusCode.ERROR,
            "it broke",
            2**64 - 2,
            2**64 - 1,
            attributes,
            [types.Event("event", 7, attributes)],
            [],
            [],
        )
        wire = json.loads(json.dumps(spans.to_json(span)))
        self.assertEqual(spans.from_json(wire), span)


if __name__ == "__main__":
    unittest.main()
