#!/usr/bin/env python3
"""What Transformers says of conversations in TRL's chat templates with generation tags.

    python3 -m venv /tmp/trl && /tmp/trl/bin/pip install transformers==5.24.0 tokenizers==0.23.3 jinja2==3.1.6
    /tmp/trl/bin/pip install --no-deps trl==1.16.0
    PROMPTLOSS_TRL=/tmp/trl/bin/python node --import tsx --test tests/data/trl-templates.test.ts

    python trl_templates.py FOLDER

Nothing of TRL is kept in this repository. For each template the script writes FOLDER/<template>, a tokenizer: the byte-level
one of ../fixtures with the control tokens that the template's text names. It prints JSON: versions, the conversations, and
for each pair of template and conversation ids and assistant mask, or the error with which Transformers refuses the pair.
`strftime_now` is held at the day in `date`.
"""
import datetime, glob, importlib.util, json, os, re, shutil, sys

import transformers
import transformers.utils.chat_template_utils as chat_template_utils
from importlib.metadata import version
from transformers import AutoTokenizer

BASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "bytelevel")
DATE = datetime.datetime(2026, 7, 26)


class Today(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return DATE


chat_template_utils.datetime = Today

TOOLS = [{"type": "function", "function": {"name": "price", "description": "Price of a thing.", "parameters": {"type": "object",
          "properties": {"thing": {"type": "string", "description": "what it is"}}, "required": ["thing"]}}}]
CALL = {"type": "function", "function": {"name": "price", "arguments": {"thing": "caf\u00e9"}}}
CHATS = {
    "two turns": [{"role": "user", "content": "Who sells the bread?"}, {"role": "assistant", "content": "Tovin."},
                  {"role": "user", "content": "What does it cost?"}, {"role": "assistant", "content": "Seven coins."}],
    "system": [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "Who finds the letter?"},
               {"role": "assistant", "content": "Mira."}],
    "tool call": [{"role": "user", "content": "What does a coffee cost?"}, {"role": "assistant", "content": "", "tool_calls": [CALL]},
                  {"role": "tool", "name": "price", "content": "3 coins"}, {"role": "assistant", "content": "It costs 3 coins."}],
    "thinking": [{"role": "user", "content": "3 + 4?"}, {"role": "assistant", "reasoning_content": "Three and four are seven.", "content": "7"},
                 {"role": "user", "content": "And 5?"}, {"role": "assistant", "reasoning_content": "Seven and five.", "content": "12"}],
    "unicode": [{"role": "user", "content": "  Gr\u00fc\u00dfe \U0001f999 \u65e5\u672c\u8a9e"},
                {"role": "assistant", "content": "na\u00efve \U0001f469\u200d\U0001f469\u200d\U0001f467 cafe\u0301\n\n"}],
}

CONTROL = re.compile(r"<[|\uff5c][^<>\s'\"{}]{1,60}[|\uff5c]>|<\|[a-z_]+>|<[a-z_]+\|>|<(?:start|end)_of_turn>|</?think>|</?tool_call>|<\|[A-Z_]+\|>")


def write_tokenizer(folder, jinja):
    """The base tokenizer with the control tokens of a template, and the template."""
    shutil.copytree(BASE, folder)
    path = os.path.join(folder, "tokenizer.json")
    tokenizer = json.load(open(path, encoding="utf-8"))
    known = {token["content"] for token in tokenizer["added_tokens"]}
    next_id = max([*tokenizer["model"]["vocab"].values(), *(token["id"] for token in tokenizer["added_tokens"])]) + 1
    for content in sorted(set(CONTROL.findall(jinja)) - known):
        tokenizer["added_tokens"].append({"id": next_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                                          "normalized": False, "special": "think>" not in content and "tool_call>" not in content})
        next_id += 1
    json.dump(tokenizer, open(path, "w", encoding="utf-8"), ensure_ascii=False)
    with open(os.path.join(folder, "chat_template.jinja"), "w", encoding="utf-8") as file:
        file.write(jinja)


def answer(tokenizer, chat, tools):
    try:
        # a refusal by the template can be any error of Jinja or Python
        made = tokenizer.apply_chat_template(chat, tools=tools, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    except Exception as error:  # noqa: BLE001
        return {"refused": f"{type(error).__name__}: {error}"}
    text = tokenizer.apply_chat_template(chat, tools=tools, tokenize=False)
    return {"text": text, "ids": made["input_ids"], "mask": made["assistant_masks"]}


def main(out):
    folder = os.path.join(os.path.dirname(importlib.util.find_spec("trl").origin), "chat_templates")
    answers = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.jinja"))):
        # as Transformers reads chat_template.jinja
        jinja = open(path, encoding="utf-8").read()
        if not re.search(r"\{%-?\s*generation\s*-?%\}", jinja):
            continue
        name = os.path.basename(path)[: -len(".jinja")]
        write_tokenizer(os.path.join(out, name), jinja)
        tokenizer = AutoTokenizer.from_pretrained(os.path.join(out, name))
        answers[name] = {chat: answer(tokenizer, messages, TOOLS if chat == "tool call" else None) for chat, messages in CHATS.items()}
    print(json.dumps({"trl": version("trl"), "transformers": transformers.__version__, "date": DATE.date().isoformat(),
                      "tools": TOOLS, "chats": CHATS, "answers": answers}))


main(sys.argv[1])
