"""The peer's side of bench/compare.ts: runs one case and prints one line of JSON.

Usage: peer.py HF_PLW CASE

HF_PLW is the peer's script. CASE is a JSON object, or the path of a file with one, whose `kind` is "training",
"generation" or "scoring". HF_PLW must define `PLWTrainer` (a Trainer with the weighted loss),
`encode(row, tokenizer, max_length)` and `run(args, plw, model, initial, tokenizer, data, out)`, which writes one line
per step to out/log.jsonl. As a command it must accept --sweep, as compare.ts uses it.
"""
import argparse
import importlib.util
import json
import os
import resource
import sys
import tempfile
import time

import torch
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.trainer_pt_utils import LengthGroupedSampler


def training(peer, case):
    """The peer's own training run: rows in their given order, so that batches equal ours, or grouped by length."""
    class InOrder(peer.PLWTrainer):
        def _get_train_sampler(self, *_):
            if case["grouped"]:
                lengths = [len(row["ids"]) for row in self.train_dataset]
                return LengthGroupedSampler(self.args.train_batch_size, lengths=lengths)
            return SequentialSampler(self.train_dataset)

    peer.PLWTrainer = InOrder
    tokenizer = AutoTokenizer.from_pretrained(case["model"])
    with open(case["data"], encoding="utf-8") as file:
        data = [peer.encode(row, tokenizer, case["maxLength"]) for row in json.load(file)]
    model = AutoModelForCausalLM.from_pretrained(case["model"], dtype=torch.float32)
    if case.get("adapter"):
        from peft import LoraConfig, get_peft_model
        adapter = case["adapter"]
        model = get_peft_model(model, LoraConfig(
            r=adapter["rank"], lora_alpha=adapter["alpha"], lora_dropout=adapter["dropout"],
            target_modules=adapter["targets"], use_rslora=adapter["rsLora"], task_type="CAUSAL_LM"))
        initial = model.state_dict()  # no copy: most of it is not trained
    else:
        initial = {name: value.clone() for name, value in model.state_dict().items()}
    form = {"bf16": case["precision"] == "bfloat16"}  # autocast
    if case["compiled"]:
        form.update(torch_compile=True, optim="adamw_torch_fused")
    arguments = peer.TrainingArguments
    peer.TrainingArguments = lambda **given: arguments(**{**given, **form})
    args = argparse.Namespace(
        model=case["model"], normalizer="weights", seed=42, steps=0, epochs=1, batch_size=case["batch"], grad_accum=1,
        lr=case["learningRate"], optim="adamw_torch", max_grad_norm=1.0, scheduler="cosine", warmup=0.03,
        max_length=case["maxLength"], threads=case["threads"], no_save=True)
    out = tempfile.mkdtemp()
    peer.run(args, case["plw"], model, initial, tokenizer, data, out)
    with open(os.path.join(out, "log.jsonl"), encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return {"steps": [{key: row[key] for key in ("loss", "tokens", "seconds")} for row in rows]}


def generation(_, case):
    model = AutoModelForCausalLM.from_pretrained(case["model"], dtype=torch.float32).eval()
    new = []
    with torch.inference_mode():
        started = time.perf_counter()
        for start in range(0, len(case["prompts"]), case["batch"]):
            prompts = case["prompts"][start:start + case["batch"]]
            width = max(map(len, prompts))
            ids = torch.zeros(len(prompts), width, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for i, prompt in enumerate(prompts):
                ids[i, width - len(prompt):] = torch.tensor(prompt)
                mask[i, width - len(prompt):] = 1
            out = model.generate(
                input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=case["newTokens"],
                min_new_tokens=case["newTokens"], pad_token_id=0)
            new += out[:, width:].tolist()
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "tokens": sum(map(len, new)), "results": new}


def scoring(_, case):
    """Log-likelihood of each continuation given its context; like lm-evaluation-harness, it batches similar lengths."""
    model = AutoModelForCausalLM.from_pretrained(case["model"], dtype=torch.float32).eval()
    order = sorted(range(len(case["rows"])), key=lambda i: -len(case["rows"][i]["ids"]))
    sums = [0.0] * len(order)
    with torch.inference_mode():
        started = time.perf_counter()
        for start in range(0, len(order), case["batch"]):
            chosen = order[start:start + case["batch"]]
            rows = [case["rows"][i] for i in chosen]
            ids = torch.zeros(len(rows), max(len(row["ids"]) for row in rows) - 1, dtype=torch.long)
            for i, row in enumerate(rows):
                ids[i, :len(row["ids"]) - 1] = torch.tensor(row["ids"][:-1])
            logits = model(input_ids=ids, use_cache=False).logits
            for i, row in enumerate(rows):
                first, last = row["promptLength"], len(row["ids"])
                targets = torch.tensor(row["ids"][first:])
                own = logits[i, first - 1:last - 1].log_softmax(-1)
                sums[chosen[i]] = own.gather(1, targets[:, None]).sum().item()
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "tokens": sum(len(row["ids"]) for row in case["rows"]), "results": sums}


def main(script, text):
    spec = importlib.util.spec_from_file_location("hf_plw", script)
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    case = json.loads(text) if text.startswith("{") else json.load(open(text, encoding="utf-8"))
    torch.set_num_threads(case["threads"])
    result = {"training": training, "generation": generation, "scoring": scoring}[case["kind"]](peer, case)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({**result, "peakMemory": used.ru_maxrss * 1024, "cpuSeconds": used.ru_utime + used.ru_stime}))


main(*sys.argv[1:])
