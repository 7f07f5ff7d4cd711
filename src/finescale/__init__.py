"""finescale measures how finetuning scales, from raw text to fitted laws.

The rooms of the library, ground floor first; each imports only from those below it: store, study,
corpora, tokens, models, training, evaluation, laws, figures, cli.
"""

__version__ = "0.1.0"
