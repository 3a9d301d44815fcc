"""Where each published data set keeps its frames, truths and masks: one file per data set."""
