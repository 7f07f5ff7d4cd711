"""Whether a model made elsewhere can be decoded as `evaluation.decoding` does it."""

import torch

from finescale.errors import UserError
from finescale.evaluation.decoding import read_in_steps
from finescale.models import TunedModel
from finescale.models.structure import embedding_rows

TOLERANCE = 1e-3  # of the largest number: float32 sums in another order
LENGTHS = (3, 7, 5)  # of prompts, so that rows have padding
STEPS = 2


@torch.inference_mode()
def check_decoding(model: TunedModel) -> None:
    """UserError unless rows with padding and a cache are what each row is by itself."""
    name = type(model.decoder).__name__
    rows = embedding_rows(model.decoder)
    numbers = torch.Generator().manual_seed(1)
    texts = [torch.randint(rows, (n + STEPS,), generator=numbers).tolist() for n in LENGTHS]
    try:
        found = read_in_steps(model, texts, STEPS)
    except Exception as error:  # each architecture fails in its own way
        raise UserError(f"{name} cannot be decoded with a cache: {error}") from None
    expected = torch.cat([model(torch.tensor([ids]))[:, -1] for ids in texts])
    if not torch.allclose(found, expected, rtol=0, atol=TOLERANCE * float(expected.abs().max())):
        raise UserError(
            f"{name} writes something else with a cache and padding than without: it is not "
            "supported"
        )
