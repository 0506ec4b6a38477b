"""Starts a Jupyter kernel and talks to it with jupyter_client, as front ends do.

Usage: client.py '<json of {"argv": [...], "interrupt_mode": "message"|"signal", "cwd": "..."}>'
Reads one JSON command per line from standard input and writes one JSON answer per line:
  {"op": "execute", "codes": [...]}   sends all cells at once, as "Run All" does
      -> {"cells": [{"reply": {...}, "outputs": [{"type": ..., "content": ...}], "seconds": ...}]}
      with "interrupt_after": <text>  interrupts the kernel when that text appears in an output
  {"op": "request", "type": "complete_request", "content": {...}} -> {"reply": {...}}
  {"op": "restart"} -> {"seconds": ...}
  {"op": "shutdown"}
"""
import json
import sys
import time

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

LIMIT = 60


def wait_for(kernel, message_id, started, settings):
    """Collects all outputs of one cell up to its idle status, and its reply."""
    outputs, reply, idle, interrupted_at, stopped = [], None, False, None, None
    while not idle or reply is None:
        if time.time() - started > settings.get("limit", LIMIT):
            return {"reply": reply["content"] if reply else None, "outputs": outputs, "hung": True}
        if not idle:
            try:
                message = kernel.get_iopub_msg(timeout=0.2)
            except Exception:
                message = None
            if message and message["parent_header"].get("msg_id") == message_id:
                kind = message["msg_type"]
                if kind == "status":
                    idle = message["content"]["execution_state"] == "idle"
                else:
                    outputs.append({"type": kind, "content": message["content"]})
                    text = settings.get("interrupt_after")
                    seen = text and kind != "execute_input" and text in json.dumps(message["content"])
                    if seen and interrupted_at is None:
                        kernel.manager.interrupt_kernel()
                        interrupted_at = time.time()
        if reply is None:
            try:
                while True:
                    candidate = kernel.get_shell_msg(timeout=0.2 if idle else 0.001)
                    if candidate["parent_header"].get("msg_id") == message_id:
                        reply = candidate
                        break
                    waiting[candidate["parent_header"].get("msg_id")] = candidate
            except Exception:
                reply = waiting.pop(message_id, None)
    result = {"reply": reply["content"], "outputs": outputs, "seconds": time.time() - started}
    if interrupted_at is not None:
        result["seconds_to_stop"] = time.time() - interrupted_at
    return result


waiting = {}


def main():
    settings = json.loads(sys.argv[1])
    manager = KernelManager()
    manager._kernel_spec = KernelSpec(
        argv=settings["argv"], interrupt_mode=settings["interrupt_mode"], display_name="x", language="typescript")
    started = time.time()
    manager.start_kernel(cwd=settings["cwd"])
    kernel = manager.client()
    kernel.manager = manager
    kernel.start_channels()
    kernel.wait_for_ready(timeout=LIMIT)

    def answer(value):
        print(json.dumps(value), flush=True)

    answer({"ready": time.time() - started, "pid": manager.provisioner.pid})
    try:
        for line in sys.stdin:
            command = json.loads(line)
            if command["op"] == "execute":
                started = time.time()
                stop_on_error = command.get("stop_on_error", True)
                ids = [kernel.execute(code, stop_on_error=stop_on_error) for code in command["codes"]]
                answer({"cells": [wait_for(kernel, message_id, started, command) for message_id in ids]})
            elif command["op"] == "request":
                message = kernel.session.msg(command["type"], command["content"])
                kernel.shell_channel.send(message)
                answer({"reply": kernel.get_shell_msg(timeout=LIMIT)["content"]})
            elif command["op"] == "restart":
                started = time.time()
                manager.restart_kernel(now=False)
                kernel.wait_for_ready(timeout=LIMIT)
                answer({"seconds": time.time() - started})
            elif command["op"] == "shutdown":
                break
    finally:
        kernel.stop_channels()
        started = time.time()
        manager.shutdown_kernel(now=False)
        answer({"seconds": time.time() - started})


main()
