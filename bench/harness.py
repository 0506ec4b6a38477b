"""Runs lm-evaluation-harness on local rows, for bench/evaluation.ts; prints one line of JSON with seconds and metrics.

Usage: harness.py MODEL DATA TASK SHOTS LIMIT BATCH     DATA contains TASK/<split>.jsonl
"""
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()  # no cached rows: our side reads its rows anew, too
import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

TASKS = {"arc_challenge": "arc/arc_challenge.yaml", "piqa": "piqa/piqa.yaml"}


def main(model, data, task, shots, limit, batch):
    files = {path.stem: str(path) for path in sorted((Path(data) / task).glob("*.jsonl"))}
    # The harness's own task file; only the source of its rows is changed.
    lines = [
        f"include: {Path(lm_eval.__file__).parent / 'tasks' / TASKS[task]}",
        f"task: local_{task}",
        "dataset_path: json",
        "dataset_name: null",
        "dataset_kwargs:",
        f"  data_files: {json.dumps(files)}",
        "validation_split: null" if "test" in files else "training_split: null",
    ]
    folder = tempfile.mkdtemp()
    (Path(folder) / "task.yaml").write_text("\n".join(lines) + "\n")

    started = time.perf_counter()
    harness = HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=int(batch))
    tasks = TaskManager(include_path=folder)
    loaded = time.perf_counter()
    results = lm_eval.simple_evaluate(
        model=harness, tasks=[f"local_{task}"], task_manager=tasks, num_fewshot=int(shots), limit=int(limit) or None,
        bootstrap_iters=0, log_samples=False)
    seconds = time.perf_counter() - loaded
    metrics = results["results"][f"local_{task}"]
    print(json.dumps({
        "seconds": seconds, "loading": loaded - started, "threads": torch.get_num_threads(),
        "metrics": {name: value for name, value in metrics.items() if isinstance(value, float)},
    }))


main(*sys.argv[1:])
