"""lm-evaluation-harness on local rows, for bench/evaluation.ts: one line of JSON with seconds and metrics.

Usage: harness.py MODEL DATA TASK SHOTS LIMIT BATCH     DATA holds TASK/<split>.jsonl
"""
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()  # rows are read anew, as ours are
import lm_eval
import torch
from lm_eval.models.huggingface import HFLM

TASKS = {"arc_challenge": "arc/arc_challenge.yaml", "piqa": "piqa/piqa.yaml"}


def main(model, data, task, shots, limit, batch):
    files = {path.stem: str(path) for path in sorted((Path(data) / task).glob("*.jsonl"))}
    stock = Path(lm_eval.__file__).parent / "tasks" / TASKS[task]
    settings = lm_eval.utils.load_yaml_config(str(stock), mode="full") if hasattr(lm_eval.utils, "load_yaml_config") else None
    if settings is None:
        import yaml
        settings = yaml.safe_load(stock.read_text())
    settings.pop("dataset_name", None)
    settings |= {"dataset_path": "json", "dataset_kwargs": {"data_files": files}}
    if "train" not in files:
        settings.pop("training_split", None)

    started = time.perf_counter()
    harness = HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=int(batch))
    loaded = time.perf_counter()
    results = lm_eval.simple_evaluate(
        model=harness, tasks=[settings], num_fewshot=int(shots), limit=int(limit) or None, bootstrap_iters=0, log_samples=False)
    print(json.dumps({
        "seconds": time.perf_counter() - loaded, "loading": loaded - started, "threads": torch.get_num_threads(),
        "metrics": {name: value for name, value in results["results"][settings["task"]].items() if isinstance(value, float)},
    }))


main(*sys.argv[1:])
