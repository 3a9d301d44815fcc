"""Compiled forms for x86 processors: the network's attentions, and the largest steps of `flowcli.coarse_to_fine`.

Optional: `flowcli compile` makes them from `source/` for the machine it runs on. Without them, and everywhere else, all
of it runs on torch and OpenCV, which is also what the tests hold them against.

What the attentions gain over torch: scores, softmax and sums of a block stay in the processor's registers and nearest
caches, and scores are float32 even where operands are bfloat16.
"""
