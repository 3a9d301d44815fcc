"""Names of google-deepmind/deepmind-research `perceiver/`: haiku modules and their parameters, "module/parameter"."""

from flowcli.checkpoints.key_maps.key_map import KeyMap

HAIKU = KeyMap(
    title="DeepMind haiku parameters",
    stages={
        "encoder.cross": "perceiver_encoder/~/cross_attention",
        "encoder.layers.{i}": "perceiver_encoder/~/self_attention{_i}",
        "decoder.cross": "flow_decoder/~/basic_decoder/cross_attention",
    },
    cross_norms={"query_norm": "layer_norm", "input_norm": "layer_norm_1", "mlp_norm": "layer_norm_2"},
    layer_norms={"norm": "layer_norm", "mlp_norm": "layer_norm_1"},
    linears={
        "attention.query": "attention/linear",
        "attention.key": "attention/linear_1",
        "attention.value": "attention/linear_2",
        "attention.output": "attention/linear_3",
        "mlp.expand": "mlp/linear",
        "mlp.contract": "mlp/linear_1",
    },
    ends={
        "pixels.linear": "image_preprocessor/patches_linear",
        "decoder.output": "flow_decoder/~/basic_decoder/output",
    },
    latents="perceiver_encoder/~/trainable_position_encoding/pos_embs",
    separator="/",
    linear=("/w", "/b"),
    norm=("/scale", "/offset"),
    transposed=True,
)
