"""Names of JOBR0/PerceiverIO_Pytorch."""

from flowcli.checkpoints.key_maps.key_map import KeyMap

JOBR0 = KeyMap(
    title="JOBR0/PerceiverIO_Pytorch",
    stages={
        "encoder.cross": "perceiver._encoder.cross_attend",
        "encoder.layers.{i}": "perceiver._encoder.self_attends.{i}",
        "decoder.cross": "perceiver._decoder.decoding_cross_attn",
    },
    cross_norms={"query_norm": "layer_norm_q", "input_norm": "layer_norm_kv", "mlp_norm": "layer_norm2"},
    layer_norms={"norm": "layer_norm1", "mlp_norm": "layer_norm2"},
    linears={
        "attention.query": "attention.proj_q",
        "attention.key": "attention.proj_k",
        "attention.value": "attention.proj_v",
        "attention.output": "attention.final",
        "mlp.expand": "mlp.fc1",
        "mlp.contract": "mlp.fc2",
    },
    ends={
        "pixels.linear": "perceiver._multi_preprocessor._preprocessors.__default._conv_after_patch_layer",
        "decoder.output": "perceiver._decoder.final_layer",
    },
    latents="perceiver._encoder.latent_pos_enc.pos_embs",
    spellings=((r"^(perceiver\._multi_preprocessor\._preprocessors\.)\w+\.", r"\1__default."),),
    ignored=(r"perceiver\.padding_embeddings\.\w+\.pos_embs",),  # shape (1, 0): pads nothing
)
