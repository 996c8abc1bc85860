"""What MLflow's own client reads: {"experiment": name, "trace": id, "dataset": id, "run": id}."""

import json
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.genai import datasets

arguments = json.load(sys.stdin)
client = MlflowClient()
experiment = client.get_experiment_by_name(arguments["experiment"])
trace = client.get_trace(f"tr-{arguments['trace']}")
dataset = datasets.get_dataset(dataset_id=arguments["dataset"])
run = client.get_run(arguments["run"])
runs = mlflow.search_runs(
    [experiment.experiment_id],
    f"tags.`mlflow.parentRunId` = '{arguments['run']}'",
    output_format="list",
)
json.dump(
    {
        "in_experiment": trace.info.experiment_id == experiment.experiment_id,
        "session": trace.info.trace_metadata.get("mlflow.trace.session"),
        "spans": [
            {"name": span.name, "type": span.span_type, "attributes": dict(span.attributes)}
            for span in trace.data.spans
        ],
        "assessments": [
            {
                "name": it.name,
                "value": it.value,
                "rationale": it.rationale,
                "source": it.source.source_type,
                "span": it.span_id,
            }
            for it in trace.info.assessments
        ],
        "records": [
            {"inputs": it["inputs"], "expectations": it["expectations"]}
            for it in dataset.to_df().to_dict("records")
        ],
        "run": {
            "name": run.info.run_name,
            "status": run.info.status,
            "metrics": run.data.metrics,
            "history": [
                [it.step, it.value] for it in client.get_metric_history(run.info.run_id, "loss")
            ],
        },
        "runs": [{"status": it.info.status, "metrics": it.data.metrics} for it in runs],
    },
    sys.stdout,
    default=str,
)
