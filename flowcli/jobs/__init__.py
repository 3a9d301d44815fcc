"""From a request to its results: plans, pipelines, batches with a journal."""
