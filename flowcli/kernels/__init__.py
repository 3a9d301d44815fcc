"""Compiled forms of the network's attentions for x86 processors: what `flowcli.model.folded` computes, faster.

Optional: `flowcli compile` makes them from `source/` for the machine it runs on. Without them, and everywhere else, the
network runs on torch alone, which is also what the tests hold them against.

What they gain over torch: scores, softmax and sums of a block stay in the processor's registers and nearest caches,
and scores are float32 even where operands are bfloat16.
"""
