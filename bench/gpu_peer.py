#!/usr/bin/env python3
"""PyTorch's side of `promptloss gpu-check`: trains a decoder with random weights, prints one line of JSON.

Usage: gpu_peer.py CASE, a JSON object with config, batch, length, steps, warmUp, precision and device, as
lib/cli/gpu-check/cases.ts describes them. Needs PyTorch only. The decoder is written here: scaled_dot_product_attention,
fused AdamW where there is one, parameters in float32, and with "bfloat16" matrix products under autocast.
"""
import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        size, heads, shared = c["headSize"], c["heads"], c["keyValueHeads"]
        self.shape = heads, shared, size
        self.norm1 = nn.Parameter(torch.ones(c["hiddenSize"]))
        self.norm2 = nn.Parameter(torch.ones(c["hiddenSize"]))
        self.qkv = nn.Linear(c["hiddenSize"], (heads + 2 * shared) * size, bias=False)
        self.o = nn.Linear(heads * size, c["hiddenSize"], bias=False)
        self.gate = nn.Linear(c["hiddenSize"], c["intermediateSize"], bias=False)
        self.up = nn.Linear(c["hiddenSize"], c["intermediateSize"], bias=False)
        self.down = nn.Linear(c["intermediateSize"], c["hiddenSize"], bias=False)
        self.epsilon = c["normEpsilon"]

    def forward(self, x, cosine, sine):
        batch, length, width = x.shape
        heads, shared, size = self.shape
        h = F.rms_norm(x, (width,), self.norm1, self.epsilon)
        q, k, v = self.qkv(h).split([heads * size, shared * size, shared * size], dim=-1)
        q, k, v = (t.view(batch, length, -1, size).transpose(1, 2) for t in (q, k, v))
        q, k = rotated(q, cosine, sine).to(v.dtype), rotated(k, cosine, sine).to(v.dtype)
        k, v = (t.repeat_interleave(heads // shared, dim=1) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(batch, length, heads * size))
        h = F.rms_norm(x, (width,), self.norm2, self.epsilon)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


def rotated(x, cosine, sine):
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine


class Decoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embedding = nn.Embedding(c["vocabularySize"], c["hiddenSize"])  # the output projection, too
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["layers"]))
        self.norm = nn.Parameter(torch.ones(c["hiddenSize"]))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids):
        c = self.c
        half = torch.arange(0, c["headSize"], 2, device=ids.device) / c["headSize"]
        angles = torch.outer(torch.arange(ids.shape[1], device=ids.device), c["ropeBase"] ** -half).repeat(1, 2)
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, angles.cos(), angles.sin())
        x = F.rms_norm(x, (c["hiddenSize"],), self.norm, c["normEpsilon"])
        return F.linear(x, self.embedding.weight)


def main(case):
    gpu = case["device"] == "GPU"
    if gpu and not torch.cuda.is_available():
        print(json.dumps({"skipped": f"PyTorch {torch.__version__} finds no GPU"}))
        return
    device = torch.device("cuda" if gpu else "cpu")
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = case["precision"] == "tf32"
    with device:
        model = Decoder(case["config"])
    try:
        optimizer, fused = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.0, fused=True), True
    except RuntimeError:
        optimizer, fused = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.0), False
    batch, length, steps = case["batch"], case["length"], case["warmUp"] + case["steps"]
    rows = torch.randint(0, case["config"]["vocabularySize"], (steps, batch, length), device=device)
    weights = torch.ones(length - 1, device=device)
    weights[:length // 2 - 1] = 0.1  # the prompt
    weights = weights.repeat(batch)
    seconds, losses = [], []
    for ids in rows:
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=case["precision"] == "bfloat16"):
            logits = model(ids)
        own = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none")
        loss = (own * weights).sum() / weights.sum()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())  # waits for the device
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[case["warmUp"]:])
    print(json.dumps({
        "torch": torch.__version__, "parameters": sum(p.numel() for p in model.parameters()), "fusedAdamW": fused,
        "batch": batch, "length": length, "tokensPerSecond": batch * length / median, "secondsPerStep": median,
        "losses": losses, "device": torch.cuda.get_device_name() if gpu else "CPU", "threads": torch.get_num_threads(),
        "deviceMemory": torch.cuda.max_memory_reserved() if gpu else None,
        "processMemory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


main(json.loads(sys.argv[1]))
