"""Pretraining, finetuning, and the log-perplexity of what they make.

Import from the modules: measuring (`evaluation`) needs no Lightning, training does.
"""
