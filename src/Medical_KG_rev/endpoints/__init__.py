"""What all model endpoints share: their failures in our errors, whether they are alive, and what is seen of their GPUs."""
