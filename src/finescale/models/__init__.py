"""The decoder of the paper's Table 3 and the three ways of tuning it."""

from finescale.models.decoder import (
    ParameterCounts,
    build_decoder,
    count_parameters,
    decoder_config,
    hollow_decoder,
    load_decoder,
    parameter_counts,
    read_config,
    save_decoder,
)
from finescale.models.devices import device_name, find_device, refuse_shared
from finescale.models.methods import METHODS, TunedModel, attach, load_tuned, tuned_parameters

__all__ = [
    "METHODS",
    "ParameterCounts",
    "TunedModel",
    "attach",
    "build_decoder",
    "count_parameters",
    "decoder_config",
    "device_name",
    "find_device",
    "hollow_decoder",
    "load_decoder",
    "load_tuned",
    "parameter_counts",
    "read_config",
    "refuse_shared",
    "save_decoder",
    "tuned_parameters",
]
