"""Pretraining, finetuning, and the log-perplexity of what they make."""

from finescale.training.distributed import join
from finescale.training.evaluation import Likelihood, evaluation_batches, likelihood
from finescale.training.finetune import Data, finetune
from finescale.training.loss import TargetLoss
from finescale.training.pretrain import Streams, pretrain
from finescale.training.state import STATE_FILE
from finescale.training.vocabulary import Vocabulary

__all__ = [
    "STATE_FILE",
    "Data",
    "Likelihood",
    "Streams",
    "TargetLoss",
    "Vocabulary",
    "evaluation_batches",
    "finetune",
    "join",
    "likelihood",
    "pretrain",
]
