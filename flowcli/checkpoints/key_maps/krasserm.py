"""Names of krasserm/perceiver-io 0.11."""

from flowcli.checkpoints.key_maps.key_map import KeyMap

KRASSERM = KeyMap(
    title="krasserm/perceiver-io",
    stages={
        "encoder.cross": "encoder.cross_attn_1",
        "encoder.layers.{i}": "encoder.self_attn_1.{i}",
        "decoder.cross": "decoder.cross_attn",
    },
    cross_norms={"query_norm": "0.module.q_norm", "input_norm": "0.module.kv_norm", "mlp_norm": "1.module.0"},
    layer_norms={"norm": "0.module.norm", "mlp_norm": "1.module.0"},
    linears={
        "attention.query": "0.module.attention.q_proj",
        "attention.key": "0.module.attention.k_proj",
        "attention.value": "0.module.attention.v_proj",
        "attention.output": "0.module.attention.o_proj",
        "mlp.expand": "1.module.1",
        "mlp.contract": "1.module.3",
    },
    ends={"pixels.linear": "encoder.input_adapter.linear", "decoder.output": "decoder.output_adapter.linear"},
    latents="encoder.latent_provider._query",
    spellings=(
        (r"^backend_model\.", ""),
        (r"^0\.", "encoder."),  # the whole network is an nn.Sequential of encoder and decoder
        (r"^1\.", "decoder."),
        # The decoder has no query residual, so its attention misses the wrapper that adds one.
        (r"^decoder\.cross_attn\.0\.(?!module\.)", "decoder.cross_attn.0.module."),
    ),
    # The Fourier positions, 188 MB.
    ignored=(r"encoder\.input_adapter\.position_encoding\.position_encoding",),
)
