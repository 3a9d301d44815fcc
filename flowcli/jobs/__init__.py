"""From a request to its outputs: plans, pipelines, batches with a journal."""
