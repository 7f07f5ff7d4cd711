"""What finetuned models write: prompts (no torch needed) and greedy decoding."""
