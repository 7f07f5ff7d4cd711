"""The paper's procedure for the points of a task, and the laws of pretraining."""
