"""What jobs cost before they run: FLOPs, memory, disk and time, from their recipes alone."""

from finescale.costs.hardware import Hardware, read_hardware
from finescale.costs.job import JobCost
from finescale.costs.jobs import Costs
from finescale.costs.summary import Summary, summarize

__all__ = ["Costs", "Hardware", "JobCost", "Summary", "read_hardware", "summarize"]
