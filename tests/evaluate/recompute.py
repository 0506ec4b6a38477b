"""RSD, weight distance and corpus BLEU of stored runs, from the stored records, weights and generations, in a few lines of NumPy and
sacreBLEU that share no code with the project. Needs numpy, safetensors and sacrebleu. Prints JSON by run.

    python recompute.py <run directory>...
"""
import glob, json, os, sys
import numpy as np, sacrebleu
from safetensors.numpy import load_file

def rsd(losses, window=5):
    windows = np.lib.stride_tricks.sliding_window_view(np.array(losses, dtype=float), window)
    return float((windows.std(axis=1, ddof=1) / windows.mean(axis=1)).mean())

def distance(a, b):
    a, b = (load_file(os.path.join(d, "model.safetensors")) for d in (a, b))
    return float(np.sqrt(sum(((a[k].astype(np.float64) - b[k].astype(np.float64)) ** 2).sum() for k in a)))

result = {}
for run in sys.argv[1:]:
    record = json.load(open(os.path.join(run, "run.json")))
    steps = [json.loads(line) for line in open(os.path.join(run, "steps.jsonl"))]
    initial = record["source"]["model"]
    bleu = {}
    for file in glob.glob(os.path.join(run, "scores", "*.json")):
        task = json.load(open(file))
        task = task.get("result", task)
        if str(task.get("task", "")).startswith("memorization"):
            hypotheses = [s["requests"][0]["continuation"] for s in task["samples"]]
            references = [s["references"][0] for s in task["samples"]]
            bleu[task["task"]] = sacrebleu.corpus_bleu(hypotheses, [references]).score
    result[record["id"]] = dict(rsd=rsd([s["loss"] for s in steps]), completionRsd=rsd([s["completionLoss"] for s in steps]), distance=distance(initial, os.path.join(run, "model")), bleu=bleu)
print(json.dumps(result))
