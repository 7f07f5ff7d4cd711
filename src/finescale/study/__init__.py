"""From one config file to the plan of everything that follows from it. Plain Python, no torch."""
