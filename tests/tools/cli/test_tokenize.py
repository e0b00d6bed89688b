"""tokenize reads standard input verbatim."""

import json

import pytest


@pytest.mark.parametrize("text", ["Once upon a time", "", " leading", "two\nlines\n", "naïve café 北京 👩‍👩‍👧", "\t\t  x"])
def test_ids_spell_the_text(rooftop, fixtures, text):
    tokens = json.loads(rooftop("tokenize", "--model", fixtures / "gqa", "--json", text=text).stdout)["tokens"]
    assert all(isinstance(t, int) for t in tokens)
    assert bool(tokens) == bool(text)
    tokenizer = json.loads((fixtures / "gqa" / "tokenizer.json").read_text())
    names = {i: name for name, i in tokenizer["model"]["vocab"].items()}
    # Byte-level BPE spells each byte as one printable character (GPT-2's table).
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(b): b for b in keep}
    table |= {chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in keep)}
    spelled = bytes(table[c] for t in tokens for c in names[t])
    assert spelled.decode() == text
