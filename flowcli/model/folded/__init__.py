"""The reference network rearranged for inference: the same function in less than half the arithmetic.

Read `perceiver.py` first, then this page, then `network.py`. Notation: pixel n in row r and column c of the tile; x its
C channels, made of features f and of a position; m and s its mean and standard deviation over the channels (of
LayerNorm, epsilon included); LayerNorm(x) = g * (x - m) / s + b; l a latent. Wq, Wk, Wv, Wo are the maps of a
cross-attention. Products of maps are taken in float64 when the checkpoint is folded and stored in float32.

1. Positions are separable. Each position channel depends on the row alone or on the column alone, so any linear form
   w . x is  wf . f + A[r] + B[c],  where A and B are the form applied to all rows and to all columns: H + W values
   instead of H * W. With w centred (its mean over the channels subtracted), w . (x - m) = w . x.

2. Encoder scores. (Wq q + bq) . (Wk LayerNorm(x) + bk) = w . (x - m) / s + constant(l), with w = g * Wk^T (Wq q + bq).
   A constant per latent cancels in the softmax over pixels, so
       score[l, n] = (Qf[l] . f[n] + A[l, r] + B[l, c]) / s[n].
   The queries of the encoder are the checkpoint's latents: Qf, A and B are constants of the checkpoint.

3. Encoder values are never formed. With weights p[l, n] = exp(score) and G = p / s, attention needs
       sum_n p LayerNorm(x) / sum_n p  =  g * (sum_n G x - sum_n G m) / sum_n G s  +  b,
   and sum_n G x has the features' part sum_n G f and, for positions, the sums of G over each row and each column.
   One product with the F + 2 channels (f, m, s) and two sums replace it all; Wo Wv g, and the tables that turn row
   and column sums into positions, are one map, applied to N latents instead of H * W pixels.

4. Decoder scores. Pixels query, latents answer: score[n, l] = (Kf[l] . f + A[l, r] + B[l, c]) / s + k[l], where Kf,
   A, B and k are linear in the normalised latent (Wq folds into the keys). The key's bias is the same for all l and
   cancels.

5. Decoder values. Wo Wv folds into one map of the latents, its bias included, because softmax weights sum to one.
   The MLP's LayerNorm folds into its first map: W (g * (x - m) / s + b) = (centred W g) x / s + W b. Its last map and
   the output layer act one after the other, so they are one map to two channels.

6. The 3x3 patches and the linear maps behind them are a convolution, the whitening of the gated pixel network included.

Softmax numerators are summed per chunk of the tile, then over chunks (one float32 sum over 182 528 pixels would be off
by 2e-4 px). Chunks are small enough for the cache of a CPU; no pixels x latents matrix is held. Everything is channels
first: (B, channels, pixels) is what the convolution gives, and no transposition is needed up to the flow.

Products take operands of type `operands` (bfloat16 where the hardware has it); positions, LayerNorm, softmax,
residuals and the pixel network stay in float32.
"""

from __future__ import annotations

from flowcli.model.folded.network import CPU_CHUNK, GPU_CHUNK, FoldedFlow, fold

__all__ = ["CPU_CHUNK", "GPU_CHUNK", "FoldedFlow", "fold"]
