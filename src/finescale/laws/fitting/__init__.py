"""Fitting a form to points: parameters to theta, the objective, the minimiser, its reference."""
