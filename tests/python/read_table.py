"""Read a file: {"path", "format": "parquet" | "csv" | "jsonl"} -> {"types": {column: type}, "rows": [row]}.

Types are Arrow's for Parquet and pandas' for the others; times are ISO texts.
"""

import json
import sys

import pandas
import pyarrow.parquet

arguments = json.load(sys.stdin)
path = arguments["path"]
if arguments["format"] == "parquet":
    table = pyarrow.parquet.read_table(path)
    types = {field.name: str(field.type) for field in table.schema}
    # Polars and DataFusion go by the same metadata as pandas does.
    assert len(table.to_pandas()) == table.num_rows
    rows = table.to_pylist()
elif arguments["format"] == "csv":
    frame = pandas.read_csv(path, keep_default_na=False, float_precision="round_trip")
    types = {name: str(kind) for name, kind in frame.dtypes.items()}
    rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
else:
    frame = pandas.read_json(path, lines=True, dtype=False, convert_dates=False, precise_float=True)
    types = {name: str(kind) for name, kind in frame.dtypes.items()}
    rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
json.dump({"types": types, "rows": rows}, sys.stdout, default=str)
