"""Names of transformers' `PerceiverForOpticalFlow`."""

from flowcli.checkpoints.key_maps.key_map import KeyMap

HUGGINGFACE = KeyMap(
    title="Hugging Face PerceiverForOpticalFlow",
    stages={
        "encoder.cross": "perceiver.encoder.cross_attention",
        "encoder.layers.{i}": "perceiver.encoder.self_attends.{i}",
        "decoder.cross": "perceiver.decoder.decoder.decoding_cross_attention",
    },
    cross_norms={
        "query_norm": "attention.self.layernorm1",
        "input_norm": "attention.self.layernorm2",
        "mlp_norm": "layernorm",
    },
    layer_norms={"norm": "attention.self.layernorm1", "mlp_norm": "layernorm"},
    linears={
        "attention.query": "attention.self.query",
        "attention.key": "attention.self.key",
        "attention.value": "attention.self.value",
        "attention.output": "attention.output.dense",
        "mlp.expand": "mlp.dense1",
        "mlp.contract": "mlp.dense2",
    },
    ends={
        "pixels.linear": "perceiver.input_preprocessor.conv_after_patches",
        "decoder.output": "perceiver.decoder.decoder.final_layer",
    },
    latents="perceiver.embeddings.latents",
)
